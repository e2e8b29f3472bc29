// The websocket to the server, in the protocol of every client. It is made again whenever it is lost, and what was
// asked for and not answered is asked for again: a fill changes nothing on the server.

import { Encoder, decode } from "@msgpack/msgpack";

import { RefusedError, openSocket } from "./auth.js";

export interface FillRequest {
    width: number;
    height: number;
    format: "rgb" | "rgba";
    depth: "u8";
    pixels: Uint8Array;
    hole: Uint8Array;
    /** Not 0 where the fill may be copied from; without it: from everywhere. */
    source?: Uint8Array;
    options: Record<string, unknown>;
}

/** A first look at a fill: `preview` of docs/protocol.md. */
export interface Preview {
    x: number;
    y: number;
    width: number;
    height: number;
    scale: number;
    pixels: Uint8Array;
}

export interface FillResult {
    x: number;
    y: number;
    width: number;
    height: number;
    pixels: Uint8Array;
    blend: Uint8Array;
    model: string;
    seconds: number;
}

export interface Model {
    name: string;
    title: string;
}

/** The models of a server. */
export interface Models {
    models: Model[];
    default_model: string;
}

export interface Welcome extends Models {
    limits: { max_pixels: number; max_side: number; max_frame_bytes: number };
}

/** `away`: lost, and tried again. `refused`: the session is void. */
export type State = "connecting" | "ready" | "away" | "refused";

export type Progress = (stage: string, fraction: number, position: number) => void;
export type OnPreview = (preview: Preview) => void;

/** The server could not do it. `code`: of the protocol. */
export class FillError extends Error {
    constructor(
        readonly code: string,
        message: string,
    ) {
        super(message);
    }
}

/** The artist does not want it any more. */
export class CancelledError extends Error {}

interface Job {
    request: FillRequest;
    progress: Progress;
    onPreview: OnPreview | null;
    resolve: (result: FillResult) => void;
    reject: (error: Error) => void;
}

/** So long a server that knows no session is taken for one that does not know it yet. */
const REFUSED_MILLISECONDS = 10_000;
const REFUSED_RETRY_MILLISECONDS = 3000;
/** Bytes of a fill beside its pixels, its hole and its source: docs/protocol.md, `max_frame_bytes`. */
const MESSAGE_REST = 2048;
const RETRY_MILLISECONDS = [100, 250, 500, 1000, 2000];

export class Connection {
    state: State = "connecting";
    welcome: Welcome | null = null;
    /** Told of every new state. */
    onState: (state: State) => void = () => undefined;
    private socket: WebSocket | null = null;
    private readonly jobs = new Map<number, Job>();
    private lastJob = 0;
    private attempt = 0;
    private opening = false;
    private refusedSince: number | null = null;

    /** Connect, and stay connected. */
    async open(): Promise<void> {
        if (this.opening || this.socket !== null) {
            return;
        }
        this.opening = true;
        try {
            const socket = await openSocket("/", "lamafill.v1");
            this.socket = socket;
            this.lastJob = 0;
            socket.addEventListener("open", () => this.say({ type: "hello", client: "web", protocol: 1 }));
            socket.addEventListener("message", (event) => this.take(event.data as ArrayBuffer));
            socket.addEventListener("close", () => {
                this.socket = null;
                this.retry();
            });
        } catch (error) {
            if (error instanceof RefusedError) {
                this.takeRefusal();
            } else {
                this.retry();
            }
        } finally {
            this.opening = false;
        }
    }

    /**
     * Fill a window. Ends with the result, a `FillError`, or a `CancelledError` once the signal is given.
     * `onPreview`: takes a first look, where one is wanted.
     */
    fill(
        request: FillRequest,
        progress: Progress,
        onPreview: OnPreview | null,
        signal: AbortSignal,
    ): Promise<FillResult> {
        return new Promise((resolve, reject) => {
            const job: Job = { request, progress, onPreview, resolve, reject };
            const cancel = (): void => {
                const number = this.numberOf(job);
                if (number !== null) {
                    this.jobs.delete(number);
                    if (this.state === "ready" && number > 0) {
                        this.say({ type: "cancel", job: number });
                    }
                }
                reject(new CancelledError());
            };
            if (signal.aborted) {
                cancel();
                return;
            }
            signal.addEventListener("abort", cancel, { once: true });
            if (this.state === "ready") {
                this.send(job);
            } else {
                // Waits for the next connection; numbers below 0 were never sent.
                this.jobs.set(-1 - this.jobs.size - Math.random(), job);
            }
        });
    }

    private numberOf(job: Job): number | null {
        for (const [number, each] of this.jobs) {
            if (each === job) {
                return number;
            }
        }
        return null;
    }

    private send(job: Job): void {
        this.lastJob += 1;
        this.jobs.set(this.lastJob, job);
        const { pixels, hole, source } = job.request;
        // As large as the message at once, so that it is not copied while it grows.
        const encoder = new Encoder({ initialBufferSize: pixels.length + hole.length + (source?.length ?? 0) + MESSAGE_REST });
        this.socket?.send(encoder.encodeSharedRef({ type: "fill", job: this.lastJob, preview: job.onPreview !== null, ...job.request }));
        performance.mark("fill sent");
    }

    private say(message: Record<string, unknown>): void {
        this.socket?.send(new Encoder().encode(message));
    }

    private become(state: State): void {
        if (state !== this.state) {
            this.state = state;
            this.onState(state);
        }
    }

    /** A server that was started anew gets to know the session a little later, from the command. */
    private takeRefusal(): void {
        const now = performance.now();
        this.refusedSince ??= now;
        if (this.welcome === null || now - this.refusedSince > REFUSED_MILLISECONDS) {
            this.become("refused");
            setTimeout(() => void this.open(), REFUSED_RETRY_MILLISECONDS);
        } else {
            this.retry();
        }
    }

    private retry(): void {
        this.become("away");
        const wait = RETRY_MILLISECONDS[Math.min(this.attempt, RETRY_MILLISECONDS.length - 1)];
        this.attempt += 1;
        setTimeout(() => void this.open(), wait);
    }

    private take(data: ArrayBuffer): void {
        const received = performance.now();
        const message = decode(new Uint8Array(data)) as Record<string, unknown> & { type: string };
        if (message.type === "welcome") {
            this.welcome = message as unknown as Welcome;
            this.attempt = 0;
            this.refusedSince = null;
            const waiting = [...this.jobs.values()];
            this.jobs.clear();
            this.become("ready");
            waiting.forEach((job) => this.send(job));
            return;
        }
        const number = message["job"];
        const job = typeof number === "number" ? this.jobs.get(number) : undefined;
        if (job === undefined) {
            return; // cancelled meanwhile
        }
        if (message.type === "progress") {
            job.progress(String(message["stage"]), Number(message["fraction"]), Number(message["position"] ?? 0));
        } else if (message.type === "preview") {
            job.onPreview?.(message as unknown as Preview);
        } else if (message.type === "result") {
            performance.mark("fill answered", { startTime: received });
            this.jobs.delete(number as number);
            job.resolve(message as unknown as FillResult);
        } else if (message.type === "cancelled") {
            this.jobs.delete(number as number);
            job.reject(new CancelledError());
        } else if (message.type === "error") {
            if (message["code"] === "shutting_down") {
                return; // asked for again at the next server
            }
            this.jobs.delete(number as number);
            job.reject(new FillError(String(message["code"]), String(message["message"])));
        }
    }
}
