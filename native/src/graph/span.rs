//! What the call graph reads of an encoded span.

use crate::head::link;
use crate::json::pair;
use crate::status::Status;
use crate::wire::{Fields, Odd, Read};

use super::vocabulary::{MESSAGING_OPERATION_TYPE, Said, Vocabulary};

const MAX_TIME: u64 = i64::MAX as u64;

/// Kinds of spans, by OTLP's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

const ROLES: [Role; 6] = [Role::Unspecified, Role::Internal, Role::Server, Role::Client, Role::Producer, Role::Consumer];

const ERROR: u32 = 2;

const RECEIVING: [&str; 3] = ["receive", "process", "deliver"];

impl Role {
    /// Whether it is the near side of a call or a message.
    pub fn is_exit(self) -> bool {
        matches!(self, Role::Client | Role::Producer)
    }

    /// Whether it is of no call.
    pub fn is_inside(self) -> bool {
        matches!(self, Role::Internal | Role::Unspecified)
    }

    /// Whether it is a side of a message.
    pub fn is_of_message(self) -> bool {
        matches!(self, Role::Producer | Role::Consumer)
    }
}

/// What is asked of a resource.
pub struct ResourceNames {
    /// `Resource.service`.
    pub service: String,
    /// `Resource.instance`.
    pub instance: String,
    /// `Resource.host`.
    pub host: String,
    /// `Resource.environment`.
    pub environment: String,
}

/// The ids of a trace and of a span.
pub type Link<'a> = (&'a [u8], &'a [u8]);

/// A span in its place: a `TreeSpan` of processors/call_graph/span_tree.py. Other spans are numbers.
pub struct Span<'a> {
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    /// Empty where it names none.
    pub parent_id: &'a [u8],
    pub name: &'a str,
    pub role: Role,
    pub start: i64,
    pub end: i64,
    pub failed: bool,
    pub said: Said<'a>,
    /// The trace and the span that each link names.
    pub links: Vec<Link<'a>>,
    pub sender: &'a ResourceNames,
    /// Its number among those that came.
    pub came: usize,
    pub parent: Option<usize>,
    pub client: Option<usize>,
    pub children: Vec<usize>,
    pub latest: i64,
}

impl<'a> Span<'a> {
    /// Of an encoded span, not yet in its place.
    pub fn of(encoded: &'a [u8], sender: &'a ResourceNames, came: usize, vocabulary: &Vocabulary) -> Read<Self> {
        let (mut trace_id, mut span_id, mut parent_id): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
        let (mut name, mut kind, mut start, mut end) = ("", 0, 0, 0);
        let mut status: Option<Status<'_>> = None;
        let mut said = Said::default();
        let mut links = Vec::new();
        let mut fields = Fields::of(encoded);
        while let Some((number, value)) = fields.next_field()? {
            match number {
                1 => trace_id = value.bytes()?,
                2 => span_id = value.bytes()?,
                4 => parent_id = value.bytes()?,
                5 => name = value.text()?,
                6 => kind = value.number()?,
                7 => start = value.fixed64()?,
                8 => end = value.fixed64()?,
                9 => {
                    let (key, value) = pair(value.bytes()?)?;
                    if let Some((slot, rank)) = vocabulary.find(key) {
                        said.put(slot, rank, value);
                    }
                }
                3 | 10..=12 | 14 | 16 => {}
                15 if status.is_none() => status = Some(Status::of(value.bytes()?)?),
                13 => links.push(link(value.bytes()?)?),
                _ => return Err(Odd),
            }
        }
        if parent_id == [0; 8] {
            parent_id = b"";
        }
        let is_usual = trace_id.len() == 16 && span_id.len() == 8 && span_id != [0; 8] && matches!(parent_id.len(), 0 | 8);
        if !is_usual || start > MAX_TIME || end > MAX_TIME {
            return Err(Odd);
        }
        let mut role = ROLES.get(kind as usize).copied().unwrap_or(Role::Unspecified);
        if role == Role::Client && RECEIVING.contains(&&*said.text(MESSAGING_OPERATION_TYPE)?) {
            role = Role::Consumer;
        }
        let (start, end) = (start as i64, end.max(start) as i64);
        Ok(Span {
            trace_id,
            span_id,
            parent_id,
            name,
            role,
            start,
            end,
            failed: status.is_some_and(|status| status.code == ERROR),
            said,
            links,
            sender,
            came,
            parent: None,
            client: None,
            children: Vec::new(),
            latest: end,
        })
    }

    /// The service that it is of.
    pub fn service(&self) -> &'a str {
        &self.sender.service
    }

    /// Whether a link names another span.
    pub fn names_other(&self, link: &Link<'_>) -> bool {
        let is_some = |id: &[u8]| id.iter().any(|&byte| byte != 0);
        is_some(link.0) && is_some(link.1) && *link != (self.trace_id, self.span_id)
    }

    /// Whether it creates a message that another span sends.
    pub fn creates(&self) -> Read<bool> {
        Ok(self.role.is_exit() && self.said.text(MESSAGING_OPERATION_TYPE)? == "create")
    }
}
