// What the page can do, whatever asks for it: a button, a key, a drop, the command line.

import { Connection, CancelledError, FillError, type State } from "./connection.js";
import type { Declaration } from "./declaration.js";
import { Desk, DeskError, type DeskPicture } from "./desk.js";
import { Fills } from "./fills.js";
import { loadMask } from "./masks.js";
import { Notices } from "./notices.js";
import { type Origin, Picture } from "./picture.js";
import { PictureError, decode } from "./raster.js";
import { type Kind, SaveError, download, encode } from "./saving.js";
import { Settings, rgbOf } from "./settings.js";
import type { Restored, Storage } from "./storage.js";
import { _, format } from "./text.js";
import { Tools } from "./tools.js";
import { type Compare, View } from "./view.js";

export class App {
    readonly connection = new Connection();
    readonly desk = new Desk();
    readonly notices = new Notices();
    readonly view = new View();
    readonly tools = new Tools(this.view);
    readonly settings: Settings;
    readonly fills: Fills;
    readonly pictures: Picture[] = [];
    active: Picture | null = null;
    /** Told when anything that is shown beside the picture may have changed. */
    onChange: () => void = () => undefined;
    /** Pictures of the command line that are being read. */
    private readonly fetching = new Set<string>();
    /** Those that the artist has closed. */
    private readonly closed = new Set<string>();

    constructor(
        readonly declaration: Declaration,
        readonly storage: Storage,
    ) {
        this.settings = new Settings(declaration);
        this.fills = new Fills(this.connection, this.desk, declaration);
        this.tools.brush = this.settings.brush;
        this.tools.onBrush = () => {
            this.settings.brush = this.tools.brush;
            this.settings.keep();
            this.onChange();
        };
        this.tools.onEdited = () => this.onChange();
        this.tools.onMarked = () => {
            if (this.settings.whilePainting) {
                void this.fill();
            }
        };
        this.view.onMoved = () => {
            this.tools.refresh();
            this.onChange();
        };
        this.connection.onState = (state) => this.takeState(state);
        this.desk.onPictures = (pictures) => void this.takePictures(pictures);
        this.desk.onAway = () => this.onChange();
        storage.onFailed = () => {
            this.notices.fault(_("The browser does not keep what you do: save before you close the page."));
        };
    }

    /** Open files of the artist's. */
    async openFiles(files: Iterable<File>): Promise<void> {
        this.notices.clearFaults();
        for (const file of files) {
            await this.guard(async () => {
                this.notices.say(_("Reading the picture…"));
                await this.add({
                    id: crypto.randomUUID(),
                    name: file.name || _("Pasted picture"),
                    blob: new Blob([file], { type: file.type }),
                    key: null,
                    depth: 8,
                    note: "",
                });
            });
        }
    }

    /** Bring back what was open when the page was left. */
    async restore(restored: Restored[]): Promise<void> {
        for (const { origin, edits, cursor } of restored) {
            await this.guard(async () => {
                const picture = await this.make(origin);
                edits.forEach((edit, index) => {
                    picture.history.edits.push(edit);
                    if (index < cursor) {
                        picture.replay(edit);
                        picture.history.cursor = index + 1;
                    }
                });
                picture.history.keeper = this.storage.keeper(origin);
                this.show(picture);
            });
        }
    }

    show(picture: Picture | null): void {
        this.active = picture;
        this.tools.show(picture);
        this.view.show(picture);
        if (picture !== null) {
            this.notices.say(_("Paint over what is to be gone, then click “Fill”."));
        }
        this.onChange();
    }

    close(picture: Picture): void {
        const index = this.pictures.indexOf(picture);
        if (picture === this.active) {
            this.fills.cancel();
        }
        this.pictures.splice(index, 1);
        this.storage.remove(picture.origin.id);
        if (picture.origin.key !== null) {
            this.closed.add(picture.origin.key);
        }
        if (picture === this.active) {
            this.show(this.pictures[Math.min(index, this.pictures.length - 1)] ?? null);
        }
        this.onChange();
    }

    /** Fill what is marked in the picture that is shown. */
    async fill(): Promise<void> {
        const picture = this.active;
        if (picture === null) {
            return;
        }
        if (picture.mask.bounds() === null) {
            if (!this.fills.isRunning) {
                this.notices.say(_("Nothing is marked: paint over what is to be gone."));
            }
            return;
        }
        await this.runFill(() => this.fills.fill(picture, this.settings.fillOptions));
    }

    /** Fill the same place in another way. */
    async another(): Promise<void> {
        const picture = this.active;
        const edit = picture?.history.lastFill ?? null;
        if (picture !== null && edit !== null) {
            await this.runFill(() => this.fills.another(picture, edit));
        }
    }

    choose(index: number): void {
        const edit = this.active?.history.lastFill;
        if (edit) {
            this.active?.choose(edit, index);
            this.onChange();
        }
    }

    cancel(): void {
        if (this.tools.isDrawing) {
            this.tools.drop();
        } else {
            this.fills.cancel();
        }
    }

    undo(): void {
        this.step((picture) => picture.undo(), _("Undone."), _("There is nothing to undo."));
    }

    redo(): void {
        this.step((picture) => picture.redo(), _("Redone."), _("There is nothing to redo."));
    }

    /** Change the mask by one of its own ways. */
    editMask(change: "invert" | "grow" | "shrink" | "clear"): void {
        this.active?.editMask((mask) => {
            if (change === "grow" || change === "shrink") {
                mask.grow(change === "grow" ? this.growStep : -this.growStep);
            } else {
                mask[change]();
            }
        });
        this.onChange();
    }

    /** Let fills be copied from everywhere again. */
    clearSource(): void {
        const picture = this.active;
        picture?.editMask((source) => source.clear(), picture.source);
        this.onChange();
    }

    /** By how many pixels the mask grows at a time: some of the screen's, whatever the zoom. */
    get growStep(): number {
        return Math.max(1, Math.round((4 * devicePixelRatio) / this.view.scale));
    }

    async loadMask(file: Blob): Promise<void> {
        const picture = this.active;
        if (picture === null) {
            return;
        }
        this.notices.clearFaults();
        await this.guard(async () => {
            const { width, height } = picture.raster;
            const { data, scaled } = await loadMask(file, width, height);
            picture.editMask((mask) => mask.add(mask.rect, data));
            this.notices.say(
                scaled ? _("The mask had another size and was scaled to the picture's.") : _("The mask was added."),
            );
            this.onChange();
        });
    }

    setColour(colour: string): void {
        this.settings.colour = colour;
        this.settings.keep();
        for (const picture of this.pictures) {
            picture.overlay.clear();
        }
        this.view.redraw();
    }

    setCompare(compare: Compare): void {
        this.view.compare = compare;
        this.tools.refresh();
        this.view.redraw();
        this.onChange();
    }

    /** Save beside the original, at full depth, what came from the command line. */
    async saveOriginal(): Promise<void> {
        const picture = this.active;
        const key = picture?.origin.key;
        if (picture === null || !key) {
            return;
        }
        this.notices.clearFaults();
        await this.guard(async () => {
            this.notices.say(_("Saving…"));
            const path = await this.desk.save(key, picture.history.patches());
            this.notices.say(format("Saved: {path}", { path }));
        });
    }

    async saveAs(kind: Kind): Promise<void> {
        const picture = this.active;
        if (picture === null) {
            return;
        }
        this.notices.clearFaults();
        await this.guard(async () => {
            this.notices.say(_("Saving…"));
            // The picture as it is, without what is only shown until the fill is there.
            picture.dropCoarse();
            const name = download(await encode(picture, kind), picture.origin.name, kind);
            this.notices.say(format("Saved: {path}", { path: name }));
        });
    }

    private step(work: (picture: Picture) => boolean, done: string, nothing: string): void {
        const picture = this.active;
        if (picture === null || this.tools.isDrawing) {
            return;
        }
        // Undo while a fill runs takes back the fill.
        if (this.fills.isRunning) {
            this.fills.cancel();
            return;
        }
        this.notices.say(work(picture) ? done : nothing);
        this.onChange();
    }

    private async runFill(work: () => Promise<{ model: string; seconds: number } | null>): Promise<void> {
        this.notices.clearFaults();
        await this.guard(async () => {
            const running = work();
            this.onChange();
            const report = await running;
            if (report !== null) {
                const { model, seconds } = report;
                this.notices.say(
                    model === ""
                        ? format("Filled in {seconds:.1f} s.", { seconds })
                        : format("Filled in {seconds:.1f} s by {model}.", { seconds, model }),
                );
            }
        });
        this.onChange();
    }

    /** Do something that may go wrong, and say so. */
    private async guard(work: () => Promise<void>): Promise<void> {
        try {
            await work();
        } catch (error) {
            if (error instanceof CancelledError) {
                this.notices.say(_("Cancelled."));
                return;
            }
            this.notices.say("");
            this.notices.fault(this.wordsFor(error));
        }
    }

    private wordsFor(error: unknown): string {
        if (error instanceof FillError) {
            const known = this.declaration.failures[error.code];
            return known === undefined
                ? format("The server could not fill this: {reason}", { reason: error.message })
                : _(known);
        }
        if (error instanceof PictureError || error instanceof SaveError || error instanceof DeskError) {
            const words = error.message;
            return words.slice(0, 1).toUpperCase() + words.slice(1);
        }
        if (error instanceof RangeError) {
            return _("There is not enough memory for this in the browser: close other pictures or tabs.");
        }
        return format("LaMa Fill failed, and nothing was changed: {error}", { error: String(error) });
    }

    private async make(origin: Origin): Promise<Picture> {
        const raster = await decode(origin.blob);
        const picture = new Picture(origin, raster, () => rgbOf(this.settings.colour));
        this.pictures.push(picture);
        return picture;
    }

    private async add(origin: Origin): Promise<void> {
        const picture = await this.make(origin);
        picture.history.keeper = await this.storage.add(origin);
        this.show(picture);
    }

    private async takePictures(pictures: DeskPicture[]): Promise<void> {
        this.onChange();
        for (const { key, name, depth, note, error } of pictures) {
            if (error !== undefined) {
                this.notices.fault(error);
                continue;
            }
            const open = this.pictures.find((picture) => picture.origin.key === key);
            if (open !== undefined || this.fetching.has(key) || this.closed.has(key)) {
                continue;
            }
            this.fetching.add(key);
            await this.guard(async () => {
                this.notices.say(_("Reading the picture…"));
                const blob = await this.desk.fetchPicture(key);
                await this.add({ id: crypto.randomUUID(), name, blob, key, depth, note });
                if (note !== "") {
                    this.notices.say(note);
                }
            });
            this.fetching.delete(key);
        }
        this.onChange();
    }

    private takeState(state: State): void {
        const words: Record<State, string> = {
            connecting: "",
            ready: "",
            away: _("The server is away. What you did is kept, and the page goes on when it is back."),
            refused: _(
                "This page has to be opened anew: run “lama-fill web” in a terminal and open the address that it prints. What you did is kept.",
            ),
        };
        this.notices.setServer(words[state]);
        this.onChange();
    }
}
