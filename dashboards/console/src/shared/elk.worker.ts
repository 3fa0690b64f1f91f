/** ELK, which answers the messages of `elk-api` as soon as it is loaded in a worker. */
import "elkjs/lib/elk-worker.min.js";
