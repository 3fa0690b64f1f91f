import ELK, { type ELK as Elk } from "elkjs/lib/elk-api.js";

import ElkWorker from "./elk.worker?worker";

/** ELK in a worker of its own, which the caller ends by `terminateWorker`. The page stays quick while it arranges. */
export function elkInWorker(): Elk {
  return new ELK({ workerFactory: () => new ElkWorker() });
}
