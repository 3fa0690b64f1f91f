//! The batch kernels of Spanloom: what is done for each span, as functions of bytes.
//!
//! Each has a twin in Python, processors/kernels/reference.py, which is what it means. A kernel does what senders usually
//! write; it hands anything else back (`None`), and the twin does it. So there is no rule here about errors.
//!
//! A panic is an exception, `KernelPanic`, and ends nothing: the twin does that input too.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "python")]
mod asking;
#[cfg(feature = "python")]
mod attributes;
pub mod counted;
#[cfg(feature = "python")]
mod counting;
#[cfg(feature = "python")]
mod decode;
pub mod document;
#[cfg(feature = "python")]
mod drawing;
pub mod edges;
pub mod graph;
mod head;
mod json;
#[cfg(feature = "python")]
mod keys;
#[cfg(feature = "python")]
mod objects;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "python")]
mod senders;
pub mod service_graph;
pub mod split;
mod status;
mod validate;
pub mod wire;
