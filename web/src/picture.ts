// One open picture: its pixels, its mask, what was done to it, and where it came from.

import { type Rect, intersect, isEmpty } from "./geometry.js";
import { type Edit, type FillEdit, History, type MaskEdit, type Variant } from "./history.js";
import { Mask } from "./mask.js";
import { maskPainter, picturePainter } from "./painters.js";
import { type Patch, type Raster, type Region, apply, revert } from "./raster.js";
import { Tiles } from "./tiles.js";

/** Where a picture came from. `key`: of one from the command line, which fills and saves it at full depth. */
export interface Origin {
    id: string;
    name: string;
    blob: Blob;
    key: string | null;
    depth: number;
    note: string;
}

/** What part of a picture is seen. `scale`: pixels of the screen for one of the picture; 0: all of it fits. */
export interface Place {
    scale: number;
    x: number;
    y: number;
}

/** Unlike any mask's that is red, which most are. */
const SOURCE_COLOUR: [number, number, number] = [0, 190, 110];

export class Picture {
    /** What is to be filled. */
    readonly mask: Mask;
    /** What fills may be copied from, where anything is marked in it. */
    readonly source: Mask;
    readonly history = new History();
    readonly shown: Tiles;
    readonly original: Tiles;
    readonly overlay: Tiles;
    readonly sourceOverlay: Tiles;
    place: Place = { scale: 0, x: 0, y: 0 };
    /** Where a fill is at work. */
    pending: Rect[] = [];
    /** A coarse answer that is shown until the full one is there. */
    private coarse: Patch[] = [];
    /** Told when something has to be drawn again. */
    changed: () => void = () => undefined;
    /** Told when only the mask has to be, and where. */
    maskChanged: (rect: Rect) => void = () => undefined;

    constructor(
        readonly origin: Origin,
        readonly raster: Raster,
        colour: () => [number, number, number],
    ) {
        const { width, height } = raster;
        this.mask = new Mask(width, height, (rect) => {
            this.overlay.invalidate(rect);
            this.maskChanged(rect);
        });
        this.source = new Mask(width, height, (rect) => {
            this.sourceOverlay.invalidate(rect);
            this.maskChanged(rect);
        });
        this.shown = new Tiles(width, height, picturePainter(width, height, () => raster.region));
        this.original = new Tiles(width, height, picturePainter(width, height, (rect) => this.originally(rect)));
        this.overlay = new Tiles(width, height, maskPainter(this.mask, colour));
        this.sourceOverlay = new Tiles(width, height, maskPainter(this.source, () => SOURCE_COLOUR));
    }

    /** The fills that are in the picture, at full depth: their names. */
    get fillNames(): string[] {
        return this.history.patches().flatMap((patch) => (patch.name === undefined ? [] : [patch.name]));
    }

    /** Change the mask, or the source, in one step that can be undone. */
    editMask(change: (mask: Mask) => void, mask: Mask = this.mask): void {
        mask.begin();
        change(mask);
        this.endMaskEdit(mask);
    }

    /** End a change of the mask, or of the source, that has begun. */
    endMaskEdit(mask: Mask = this.mask): void {
        const tiles = mask.end();
        if (tiles.length > 0) {
            this.history.push({ kind: "mask", tiles, ...(mask === this.source ? { source: true } : {}) });
        }
    }

    /** Take back a change of the mask, or of the source, that has begun. */
    dropMaskEdit(mask: Mask = this.mask): void {
        mask.restore(mask.end(), "before");
    }

    undo(): boolean {
        const edit = this.history.back();
        if (edit === null) {
            return false;
        }
        this.dropCoarse();
        if (edit.kind === "fill") {
            this.takeOut(chosen(edit).patches);
            if (this.history.isAfterTaking) {
                this.undo();
            }
        } else {
            this.maskOf(edit).restore(edit.tiles, "before");
        }
        this.changed();
        return true;
    }

    redo(): boolean {
        const edit = this.history.forth();
        if (edit === null) {
            return false;
        }
        this.dropCoarse();
        this.replay(edit);
        const { edits, cursor } = this.history;
        if (edit.kind === "mask" && edit.taken && edits[cursor]?.kind === "fill") {
            this.redo();
        }
        this.changed();
        return true;
    }

    /** Do an edit that is in the history (again). */
    replay(edit: Edit): void {
        if (edit.kind === "fill") {
            this.putIn(chosen(edit).patches);
        } else {
            this.maskOf(edit).restore(edit.tiles, "after");
        }
    }

    private maskOf(edit: MaskEdit): Mask {
        return edit.source ? this.source : this.mask;
    }

    /** Take the mask away to fill it: what is painted from now on is another one. */
    takeMask(): MaskEdit {
        this.mask.begin();
        this.mask.clear();
        const edit: MaskEdit = { kind: "mask", tiles: this.mask.end(), taken: true };
        this.history.push(edit);
        return edit;
    }

    /** Give back the mask of a fill that came to nothing, beside what was painted meanwhile. */
    giveMaskBack(edit: MaskEdit, hole: Rect, bytes: Uint8Array): void {
        this.dropCoarse();
        if (this.history.drop(edit)) {
            this.mask.restore(edit.tiles, "before");
        } else {
            this.editMask((mask) => mask.add(hole, bytes));
        }
    }

    /** Put a new fill into the picture. Its mask was taken before. */
    addFill(edit: FillEdit): void {
        this.dropCoarse();
        this.putIn(chosen(edit).patches);
        this.history.push(edit);
        this.changed();
    }

    /** Add a variant to the last fill, and show it. */
    addVariant(edit: FillEdit, variant: Variant): void {
        this.dropCoarse();
        edit.variants.push(variant);
        this.choose(edit, edit.variants.length - 1);
    }

    /** Show another variant of the last fill. */
    choose(edit: FillEdit, index: number): void {
        if (edit !== this.history.lastFill || index === edit.chosen) {
            return;
        }
        this.dropCoarse();
        this.takeOut(chosen(edit).patches);
        edit.chosen = index;
        this.putIn(chosen(edit).patches);
        this.history.changed(edit);
        this.changed();
    }

    /** Show a coarse answer until the full one comes, or until it is dropped. */
    showCoarse(patch: Patch): void {
        this.coarse.push(patch);
        this.putIn([patch]);
        this.changed();
    }

    dropCoarse(): void {
        if (this.coarse.length > 0) {
            this.takeOut(this.coarse);
            this.coarse = [];
            this.changed();
        }
    }

    /** Do something with the picture as it is without the chosen variant of its last fill. */
    without<Result>(edit: FillEdit | null, work: () => Result): Result {
        this.dropCoarse();
        if (edit === null) {
            return work();
        }
        const { patches } = chosen(edit);
        [...patches].reverse().forEach((patch) => revert(this.raster, patch));
        try {
            return work();
        } finally {
            patches.forEach((patch) => apply(this.raster, patch));
        }
    }

    /** Pixels as they were before all fills. */
    originally(rect: Rect): Region {
        const patches = [...this.history.patches(), ...this.coarse].filter(
            (patch) => !isEmpty(intersect(patch.rect, rect)),
        );
        if (patches.length === 0) {
            return this.raster.region;
        }
        const data = this.raster.crop(rect);
        for (const patch of patches.reverse()) {
            const both = intersect(patch.rect, rect);
            const before = patch.before as Uint8ClampedArray;
            for (let row = 0; row < both.height; row += 1) {
                const from = ((both.y + row - patch.rect.y) * patch.rect.width + both.x - patch.rect.x) * 4;
                const to = ((both.y + row - rect.y) * rect.width + both.x - rect.x) * 4;
                data.set(before.subarray(from, from + both.width * 4), to);
            }
        }
        return { data, width: rect.width, left: rect.x, top: rect.y };
    }

    private putIn(patches: readonly Patch[]): void {
        for (const patch of patches) {
            apply(this.raster, patch);
            this.shown.invalidate(patch.rect);
            this.original.invalidate(patch.rect);
        }
    }

    private takeOut(patches: readonly Patch[]): void {
        for (const patch of [...patches].reverse()) {
            revert(this.raster, patch);
            this.shown.invalidate(patch.rect);
            this.original.invalidate(patch.rect);
        }
    }
}

export function chosen(edit: FillEdit): Variant {
    return edit.variants[edit.chosen] as Variant;
}
