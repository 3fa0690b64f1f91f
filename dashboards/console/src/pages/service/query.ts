/** A condition of the query language that names the service. */
export function ofService(name: string): string {
  return `service=${/^[\w./-]+$/.test(name) ? name : JSON.stringify(name)}`;
}

/** Spans of one operation of the service. */
export function ofOperation(service: string, operation: string): string {
  return `${ofService(service)} and operation=${JSON.stringify(operation)}`;
}
