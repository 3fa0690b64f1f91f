/** Who looks at this page, and what they may do. */

import { useQuery } from "@tanstack/react-query";

import { type ApiError, get } from "./client";

export type Right = "read" | "operate" | "administer" | "ingest";

export interface Session {
  /** As the audit trail names them; `anonymous` for one who did not log in. */
  name: string;
  role: string | null;
  source: string;
  rights: Right[];
}

/** Asked again now and then: a login ends, and a role may change. */
export function useSession(): Session | undefined {
  const asked = useQuery<Session, ApiError>({
    queryKey: ["session"],
    queryFn: ({ signal }) => get<Session>("/api/v1/session", {}, signal),
    staleTime: 60_000,
    refetchInterval: 300_000,
  });
  return asked.data;
}

/** Why a person may not do what needs a right; null if they may, undefined while that is not known. */
export type Refusal = "log_in" | "role" | null;

export function refusal(session: Session | undefined, right: Right): Refusal | undefined {
  if (session === undefined) return undefined;
  if (session.rights.includes(right)) return null;
  return session.role === null ? "log_in" : "role";
}
