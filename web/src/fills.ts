// One fill from the mask to the picture: cut out what the server needs, ask, and put the answer in place.

import { type Connection, type FillRequest, type FillResult, type Preview, type Progress } from "./connection.js";
import type { Declaration } from "./declaration.js";
import type { Desk } from "./desk.js";
import { offscreen } from "./dom.js";
import { type Context, type Piece, Planner, type Rect, area, fromEdges, intersect, isEmpty } from "./geometry.js";
import type { FillEdit, FillOptions, Variant } from "./history.js";
import { span } from "./mask.js";
import { pack, unpack } from "./packing.js";
import { type Picture, chosen } from "./picture.js";
import { type Patch, PictureError, type Raster } from "./raster.js";
import { _, format } from "./text.js";

/** What is to be filled, as it was when it was asked for. */
interface Question {
    pieces: Piece[];
    requests: FillRequest[];
    mask: Rect & { bytes: Uint8Array };
    source: (Rect & { bytes: Uint8Array }) | null;
}

export interface Report {
    model: string;
    seconds: number;
}

export class Fills {
    private running: AbortController | null = null;
    private queue: Promise<unknown> = Promise.resolve();
    /** Told the stage and the fraction of the fill that runs, and null when none does. */
    onProgress: (progress: { stage: string; fraction: number; position: number } | null) => void = () => undefined;

    constructor(
        private readonly connection: Connection,
        private readonly desk: Desk,
        private readonly declaration: Declaration,
    ) {}

    get isRunning(): boolean {
        return this.running !== null;
    }

    /** Stop the fill that runs. What was marked is marked again. */
    cancel(): void {
        this.running?.abort();
    }

    /** Fill what is marked. Returns null where nothing is. Fills that are asked for meanwhile come after it. */
    fill(picture: Picture, options: FillOptions): Promise<Report | null> {
        performance.mark("fill asked");
        return this.inTurn(async (signal) => {
            const bounds = picture.mask.bounds();
            if (bounds === null) {
                return null;
            }
            const mask = { ...bounds, bytes: picture.mask.crop(bounds) };
            const question = this.ask(picture, mask, options);
            const taken = picture.takeMask();
            try {
                const variant = await this.answer(picture, question, options, picture.history.patches(), signal);
                const hole = { ...bounds, packed: pack(mask.bytes) };
                picture.addFill({ kind: "fill", hole, options, variants: [variant], chosen: 0 });
                return variant;
            } catch (error) {
                picture.giveMaskBack(taken, bounds, mask.bytes);
                throw error;
            }
        });
    }

    /** Fill the place of the last fill once more, in another way. */
    another(picture: Picture, edit: FillEdit): Promise<Report | null> {
        return this.inTurn(async (signal) => {
            if (picture.history.lastFill !== edit) {
                return null;
            }
            const most = this.declaration.options["seed"]?.high ?? 0;
            const seed = Math.min(most, Math.max(...edit.variants.map((variant) => variant.seed)) + 1);
            const options = { ...edit.options, seed };
            const question = picture.without(edit, () => this.askAgain(picture, edit, options));
            const kept = picture.history.patches().filter((patch) => !chosen(edit).patches.includes(patch));
            try {
                const variant = await this.answer(picture, question, options, kept, signal, false);
                picture.addVariant(edit, variant);
                return variant;
            } finally {
                picture.dropCoarse();
            }
        });
    }

    private inTurn<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
        const next = this.queue.then(async () => {
            const running = new AbortController();
            this.running = running;
            this.onProgress({ stage: "queued", fraction: 0, position: 0 });
            try {
                return await work(running.signal);
            } finally {
                this.running = null;
                this.onProgress(null);
            }
        });
        this.queue = next.catch(() => undefined);
        return next;
    }

    private ask(picture: Picture, mask: Question["mask"], options: FillOptions): Question {
        const planner = new Planner(this.declaration.geometry, picture.raster.rect, {
            grow: options["grow"] as number | null,
            feather: options["feather"] as number | null,
            context: options["context"] as Context,
        });
        const bounds = picture.source.bounds();
        const count = (rect: Rect): number => picture.source.countBeside(rect, picture.mask);
        if (bounds !== null && count(bounds) === 0) {
            throw new PictureError(
                format("“{name}” leaves nothing to copy from but what is to be filled: change what it marks.", {
                    name: _("Copy from here"),
                }),
            );
        }
        const source = bounds === null ? null : { ...bounds, bytes: picture.source.crop(bounds) };
        const pieces = planner.plan(mask, picture.mask.occupied, bounds === null ? null : { bounds, count });
        const sent = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
        const requests = pieces.map(({ window }) => ({
            ...cut(picture.raster, window),
            hole: picture.mask.crop(window),
            ...(source === null ? {} : { source: picture.source.crop(window) }),
            options: sent,
        }));
        return { pieces, requests, mask, source };
    }

    /** The question of an earlier fill: its mask is marked for a moment. */
    private askAgain(picture: Picture, edit: FillEdit, options: FillOptions): Question {
        const { mask } = picture;
        const { packed, ...hole } = edit.hole;
        const now = mask.data.slice();
        try {
            mask.set(new Uint8Array(now.length));
            const bytes = unpack(packed, area(hole));
            mask.add(hole, bytes);
            return this.ask(picture, { ...hole, bytes }, options);
        } finally {
            mask.set(now);
            picture.overlay.invalidate(hole);
        }
    }

    private async answer(
        picture: Picture,
        question: Question,
        options: FillOptions,
        kept: readonly Patch[],
        signal: AbortSignal,
        previewed = true,
    ): Promise<Variant> {
        picture.pending = question.pieces.map((piece) => piece.written);
        picture.changed();
        const said = { stage: "queued", fraction: 0, position: 0 };
        const progress: Progress = (stage, fraction, position) => {
            this.onProgress(Object.assign(said, { stage, fraction, position }));
        };
        const show = (preview: Preview, origin: { x: number; y: number }, within: Rect): void => {
            const patch = enlarge(preview, question.mask, origin, within);
            if (!isEmpty(patch.rect)) {
                picture.showCoarse(patch);
                performance.mark("coarse answer");
            }
        };
        try {
            const begin = performance.now();
            let patches: Patch[];
            let report = { model: String(options["model"] ?? ""), seconds: 0 };
            const { key } = picture.origin;
            if (key !== null) {
                patches = await this.desk.fill(
                    key,
                    kept,
                    question.mask,
                    question.source,
                    options,
                    progress,
                    previewed ? (preview) => show(preview, { x: 0, y: 0 }, picture.raster.rect) : null,
                    signal,
                );
                report.seconds = (performance.now() - begin) / 1000;
            } else {
                const results = await this.fillPieces(question, progress, previewed ? show : null, signal);
                patches = results.map((result, index) => clip(result, question.pieces[index] as Piece));
                report = {
                    model: results[0]?.model ?? "",
                    seconds: results.reduce((sum, result) => sum + result.seconds, 0),
                };
            }
            return { seed: Number(options["seed"] ?? 0), patches, ...report };
        } finally {
            picture.pending = [];
            picture.changed();
        }
    }

    private async fillPieces(
        { requests, pieces }: Question,
        progress: Progress,
        show: ((preview: Preview, origin: Rect, within: Rect) => void) | null,
        signal: AbortSignal,
    ): Promise<FillResult[]> {
        const sizes = requests.map((request) => request.width * request.height);
        const all = sizes.reduce((sum, size) => sum + size, 0);
        const results: FillResult[] = [];
        let done = 0;
        const way = this.desk.shared === null ? this.connection.fill.bind(this.connection) : this.desk.fillWindow.bind(this.desk);
        for (const [index, request] of requests.entries()) {
            const share = (sizes[index] as number) / all;
            const { window, written } = pieces[index] as Piece;
            results.push(
                await way(
                    request,
                    (stage, fraction, position) => progress(stage, done + fraction * share, position),
                    show === null ? null : (preview) => show(preview, window, written),
                    signal,
                ),
            );
            done += share;
        }
        return results;
    }
}

/** A window's pixels as they are sent: without alpha where there is none. */
function cut(raster: Raster, window: Rect): Omit<FillRequest, "hole" | "options"> {
    const { width, height } = window;
    if (!raster.opaque) {
        const rgba = raster.crop(window);
        return { width, height, format: "rgba", depth: "u8", pixels: new Uint8Array(rgba.buffer) };
    }
    const { data } = raster;
    const pixels = new Uint8Array(width * height * 3);
    let to = 0;
    for (let y = window.y; y < window.y + height; y += 1) {
        let from = (y * raster.width + window.x) * 4;
        for (const end = to + width * 3; to < end; to += 3, from += 4) {
            pixels[to] = data[from] as number;
            pixels[to + 1] = data[from + 1] as number;
            pixels[to + 2] = data[from + 2] as number;
        }
    }
    return { width, height, format: "rgb", depth: "u8", pixels };
}

/** The part of an answer that belongs to its piece and shows. */
export function clip(result: FillResult, piece: Piece): Patch {
    const got = {
        x: result.x + piece.window.x,
        y: result.y + piece.window.y,
        width: result.width,
        height: result.height,
    };
    const rect = shown(result.blend, got, intersect(got, piece.written));
    const channels = result.pixels.length / Math.max(1, result.blend.length);
    const pixels = new Uint8Array(area(rect) * channels);
    const blend = new Uint8Array(area(rect));
    for (let row = 0; row < rect.height; row += 1) {
        const from = (rect.y - got.y + row) * got.width + rect.x - got.x;
        blend.set(result.blend.subarray(from, from + rect.width), row * rect.width);
        pixels.set(
            result.pixels.subarray(from * channels, (from + rect.width) * channels),
            row * rect.width * channels,
        );
    }
    return { rect, pixels, blend };
}

/** The bounds of what is not 0 in a part of a blend mask, which covers `all`. */
function shown(blend: Uint8Array, all: Rect, part: Rect): Rect {
    let [left, top, right, bottom] = [part.x + part.width, -1, part.x, -1];
    for (let y = part.y; y < part.y + part.height; y += 1) {
        const begin = (y - all.y) * all.width + part.x - all.x;
        const [first, last] = span(blend, begin, begin + part.width);
        if (first >= 0) {
            left = Math.min(left, part.x + first - begin);
            right = Math.max(right, part.x + last + 1 - begin);
            top = top < 0 ? y : top;
            bottom = y + 1;
        }
    }
    return top < 0 ? fromEdges(part.x, part.y, part.x, part.y) : fromEdges(left, top, right, bottom);
}

/** A preview at full size, where the mask is. `origin`: what its place counts from; `within`: what it is of. */
function enlarge(preview: Preview, mask: Question["mask"], origin: { x: number; y: number }, within: Rect): Patch {
    const place = {
        x: origin.x + preview.x,
        y: origin.y + preview.y,
        width: preview.width * preview.scale,
        height: preview.height * preview.scale,
    };
    const rect = intersect(intersect(place, within), mask);
    // Opaque, because the mask says where it shows, to the pixel.
    const image = new ImageData(new Uint8ClampedArray(preview.pixels), preview.width, preview.height);
    for (let index = 3; index < image.data.length; index += 4) {
        image.data[index] = 255;
    }
    const small = offscreen(preview.width, preview.height);
    small.putImageData(image, 0, 0);
    const large = offscreen(Math.max(1, rect.width), Math.max(1, rect.height), true);
    large.imageSmoothingQuality = "high";
    large.drawImage(small.canvas, place.x - rect.x, place.y - rect.y, place.width, place.height);
    const pixels = new Uint8Array(large.getImageData(0, 0, large.canvas.width, large.canvas.height).data.buffer);
    const blend = new Uint8Array(area(rect));
    for (let row = 0; row < rect.height; row += 1) {
        const from = (rect.y - mask.y + row) * mask.width + rect.x - mask.x;
        blend.set(mask.bytes.subarray(from, from + rect.width), row * rect.width);
    }
    return { rect, pixels, blend };
}
