// The way to the command that opened the page, which has the picture files of its command line: docs/web.md.

import { decode, encode } from "@msgpack/msgpack";

import { RefusedError, openSocket } from "./auth.js";
import {
    CancelledError,
    type FillRequest,
    type FillResult,
    type Models,
    type OnPreview,
    type Preview,
    type Progress,
} from "./connection.js";
import type { Rect } from "./geometry.js";
import type { FillOptions } from "./history.js";
import type { Patch } from "./raster.js";
import { _ } from "./text.js";

export interface DeskPicture {
    key: string;
    name: string;
    width: number;
    height: number;
    depth: number;
    note: string;
    error?: string;
}

type Message = Record<string, unknown> & { type: string };

/** The command could not do it; the message is the command's own. */
export class DeskError extends Error {}

interface Request {
    message: Message;
    /** Takes an answer. Returns whether it is the last one. */
    take: (answer: Message) => boolean;
    /** Forgets the answers so far, because all of them come again. */
    reset: () => void;
    reject: (error: Error) => void;
}

const RETRY_MILLISECONDS = 500;
const REFUSED_RETRY_MILLISECONDS = 1500;

export class Desk {
    /** Told which pictures there are, whenever the command comes (back). */
    onPictures: (pictures: DeskPicture[]) => void = () => undefined;
    /** Told when the command is gone. */
    onAway: () => void = () => undefined;
    /** Keys of the pictures that are there now. */
    readonly there = new Set<string>();
    /** The models of the shared server that the command fills by; null where it fills by this machine's own. */
    shared: Models | null = null;
    private socket: WebSocket | null = null;
    private readonly requests = new Map<number, Request>();
    private last = 0;
    private opening = false;

    /** Connect anew, for a new session: its command may be another one. */
    renew(): void {
        if (this.socket === null) {
            void this.open();
        } else {
            this.socket.close(); // and is opened again
        }
    }

    async open(): Promise<void> {
        if (this.socket !== null || this.opening) {
            return;
        }
        this.opening = true;
        try {
            const socket = await openSocket("/desk", "lamafill.desk.v1");
            this.socket = socket;
            socket.addEventListener("message", (event) => {
                this.take(decode(new Uint8Array(event.data as ArrayBuffer)) as Message);
            });
            socket.addEventListener("close", () => {
                this.socket = null;
                this.takeAbsence();
                setTimeout(() => void this.open(), RETRY_MILLISECONDS);
            });
        } catch (error) {
            const wait = error instanceof RefusedError ? REFUSED_RETRY_MILLISECONDS : RETRY_MILLISECONDS;
            setTimeout(() => void this.open(), wait);
        } finally {
            this.opening = false;
        }
    }

    /** The picture for the screen, as a PNG. */
    async fetchPicture(key: string): Promise<Blob> {
        const parts: Uint8Array<ArrayBuffer>[] = [];
        await this.ask({ type: "open", key }, (answer) => {
            parts.push(answer["bytes"] as Uint8Array<ArrayBuffer>);
            return answer["last"] === true;
        }, () => parts.splice(0));
        return new Blob(parts, { type: "image/png" });
    }

    /** Fill at full depth. `kept`: the fills that the picture has already. */
    async fill(
        key: string,
        kept: readonly Patch[],
        mask: Rect & { bytes: Uint8Array },
        source: (Rect & { bytes: Uint8Array }) | null,
        options: FillOptions,
        progress: Progress,
        onPreview: OnPreview | null,
        signal: AbortSignal,
    ): Promise<Patch[]> {
        const base = kept.flatMap((patch) => (patch.name === undefined ? [] : [patch.name]));
        return this.withFills(key, kept, async () => {
            const patches: Patch[] = [];
            await this.ask(
                { type: "fill", key, base, mask, source, options, preview: onPreview !== null },
                (answer) => {
                    if (answer.type === "progress") {
                        progress(String(answer["stage"]), Number(answer["fraction"]), 0);
                        return false;
                    }
                    if (answer.type === "preview") {
                        onPreview?.(answer as unknown as Preview);
                        return false;
                    }
                    patches.push({
                        rect: {
                            x: Number(answer["x"]),
                            y: Number(answer["y"]),
                            width: Number(answer["width"]),
                            height: Number(answer["height"]),
                        },
                        pixels: answer["pixels"] as Uint8Array,
                        blend: answer["blend"] as Uint8Array,
                        name: String(answer["name"]),
                        full: answer["full"] as Uint8Array,
                    });
                    return answer["last"] === true;
                },
                () => patches.splice(0),
                signal,
            );
            return patches;
        });
    }

    /** Fill a window of a picture that the browser opened, by the command's shared server. */
    async fillWindow(
        request: FillRequest,
        progress: Progress,
        onPreview: OnPreview | null,
        signal: AbortSignal,
    ): Promise<FillResult> {
        let result: FillResult | null = null;
        await this.ask(
            { type: "window", ...request, preview: onPreview !== null },
            (answer) => {
                if (answer.type === "progress") {
                    progress(String(answer["stage"]), Number(answer["fraction"]), 0);
                } else if (answer.type === "preview") {
                    onPreview?.(answer as unknown as Preview);
                } else {
                    result = answer as unknown as FillResult;
                }
                return result !== null;
            },
            () => undefined,
            signal,
        );
        return result as unknown as FillResult;
    }

    /** Write the picture beside the original. Returns where. */
    async save(key: string, kept: readonly Patch[]): Promise<string> {
        const fills = kept.flatMap((patch) => (patch.name === undefined ? [] : [patch.name]));
        return this.withFills(key, kept, async () => {
            let path = "";
            await this.ask({ type: "save", key, fills }, (answer) => {
                path = String(answer["path"]);
                return true;
            });
            return path;
        });
    }

    /** Do what needs fills; when the command was started anew it gets them back first. */
    private async withFills<Result>(key: string, kept: readonly Patch[], work: () => Promise<Result>): Promise<Result> {
        try {
            return await work();
        } catch (error) {
            if (!(error instanceof LostError)) {
                throw error;
            }
            const fills: Record<string, Uint8Array> = {};
            for (const patch of kept) {
                if (patch.name !== undefined && patch.full !== undefined && error.names.includes(patch.name)) {
                    fills[patch.name] = patch.full;
                }
            }
            await this.ask({ type: "restore", key, fills }, () => true);
            return work();
        }
    }

    private ask(
        message: Message,
        take: (answer: Message) => boolean,
        reset: () => void = () => undefined,
        signal?: AbortSignal,
    ): Promise<void> {
        const key = message["key"];
        if (key !== undefined && !this.there.has(String(key))) {
            throw new DeskError(absence());
        }
        this.last += 1;
        const request = this.last;
        return new Promise((resolve, reject) => {
            signal?.addEventListener("abort", () => {
                this.say({ type: "cancel", request });
                this.requests.delete(request);
                reject(new CancelledError());
            });
            this.requests.set(request, {
                message: { ...message, request },
                take: (answer) => {
                    const isLast = take(answer);
                    if (isLast) {
                        resolve();
                    }
                    return isLast;
                },
                reset,
                reject,
            });
            this.say({ ...message, request });
        });
    }

    private takeAbsence(): void {
        this.there.clear();
        this.shared = null;
        this.onAway();
    }

    private say(message: Message): void {
        this.socket?.send(encode(message));
    }

    private take(message: Message): void {
        if (message.type === "pictures") {
            const pictures = message["pictures"] as DeskPicture[];
            this.there.clear();
            this.shared = (message["shared"] as Models | null | undefined) ?? null;
            pictures.forEach((picture) => picture.error === undefined && this.there.add(picture.key));
            this.onPictures(pictures);
            // What the command before has not answered.
            for (const { message: unanswered, reset } of this.requests.values()) {
                reset();
                this.say(unanswered);
            }
            return;
        }
        if (message.type === "away") {
            this.takeAbsence();
            return;
        }
        const number = Number(message["request"]);
        const request = this.requests.get(number);
        if (request === undefined) {
            return;
        }
        if (message.type === "error" || message.type === "lost" || message.type === "cancelled") {
            this.requests.delete(number);
            request.reject(
                message.type === "error"
                    ? new DeskError(String(message["message"]))
                    : message.type === "lost"
                      ? new LostError(message["names"] as string[])
                      : new CancelledError(),
            );
        } else if (request.take(message)) {
            this.requests.delete(number);
        }
    }
}

/** What is said when the command is gone. */
export function absence(): string {
    return _("The command that opened this picture has ended: start “lama-fill web” with the picture again.");
}

/** The command does not have these fills. */
class LostError extends Error {
    constructor(readonly names: string[]) {
        super("fills are not there");
    }
}
