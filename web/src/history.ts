// What was done to a picture, in order, to be undone and done again: strokes of the mask, and fills.

import type { Rect } from "./geometry.js";
import type { TileEdit } from "./mask.js";
import type { Patch } from "./raster.js";

/** How a fill was asked for: the options' names and values, as in the protocol. */
export type FillOptions = Record<string, string | number | boolean | null>;

export interface MaskEdit {
    kind: "mask";
    /** Of what may be copied, not of what is to be filled. */
    source?: true;
    tiles: TileEdit[];
    /** Whether a fill took the mask away. Where that fill comes next the two are one step. */
    taken?: true;
}

/** One answer to the same question. */
export interface Variant {
    seed: number;
    model: string;
    seconds: number;
    patches: Patch[];
}

export interface FillEdit {
    kind: "fill";
    /** What was filled: a rectangle of the mask, packed. */
    hole: Rect & { packed: Uint8Array };
    options: FillOptions;
    variants: Variant[];
    chosen: number;
}

export type Edit = MaskEdit | FillEdit;

/** Told what has to be kept: a new edit, which is the last one then; a changed one; where undo has got to. */
export interface Keeper {
    pushed(index: number, edit: Edit): void;
    changed(index: number, edit: Edit): void;
    moved(cursor: number): void;
}

export class History {
    readonly edits: Edit[] = [];
    cursor = 0;
    keeper: Keeper | null = null;

    push(edit: Edit): void {
        this.edits.length = this.cursor;
        this.edits.push(edit);
        this.cursor += 1;
        this.keeper?.pushed(this.cursor - 1, edit);
    }

    /** The edit to undo, or null. */
    back(): Edit | null {
        if (this.cursor === 0) {
            return null;
        }
        this.cursor -= 1;
        this.keeper?.moved(this.cursor);
        return this.edits[this.cursor] as Edit;
    }

    /** The edit to do again, or null. */
    forth(): Edit | null {
        const edit = this.edits[this.cursor];
        if (edit === undefined) {
            return null;
        }
        this.cursor += 1;
        this.keeper?.moved(this.cursor);
        return edit;
    }

    /** Take back the last edit as if it had not been, if it is this one. Returns whether it was. */
    drop(edit: Edit): boolean {
        if (this.edits[this.cursor - 1] !== edit) {
            return false;
        }
        this.cursor -= 1;
        this.edits.length = this.cursor;
        this.keeper?.moved(this.cursor);
        return true;
    }

    /** Whether the edit that would be undone next is the taking of a mask. */
    get isAfterTaking(): boolean {
        const edit = this.edits[this.cursor - 1];
        return edit?.kind === "mask" && edit.taken === true;
    }

    get canUndo(): boolean {
        return this.cursor > 0;
    }

    get canRedo(): boolean {
        return this.cursor < this.edits.length;
    }

    /** The last edit that counts, when it is a fill. What may be copied has no part in the picture, and can change after it. */
    get lastFill(): FillEdit | null {
        const last = this.edits.slice(0, this.cursor).findLast((edit) => edit.kind === "fill" || !edit.source);
        return last?.kind === "fill" ? last : null;
    }

    /** Keep a changed fill. */
    changed(edit: FillEdit): void {
        this.keeper?.changed(this.edits.indexOf(edit), edit);
    }

    /** The patches that are in the picture now, in their order. */
    patches(): Patch[] {
        return this.edits
            .slice(0, this.cursor)
            .flatMap((edit) => (edit.kind === "fill" ? (edit.variants[edit.chosen]?.patches ?? []) : []));
    }
}
