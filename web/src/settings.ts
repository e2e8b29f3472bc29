// What the artist has chosen, kept for the next time: options of fills as they are declared, the brush, the colour.

import type { Declaration } from "./declaration.js";
import type { FillOptions } from "./history.js";

const NAME = "lama-fill settings";

/** The options that the page offers; the others have their defaults. */
export const OFFERED = ["quality", "context", "grow", "feather"] as const;

export class Settings {
    brush = 40;
    colour = "#ff3b6b";
    whilePainting = false;
    model = "";
    readonly options: FillOptions = {};

    constructor(private readonly declaration: Declaration) {
        for (const [name, option] of Object.entries(declaration.options)) {
            this.options[name] = option.default;
        }
        try {
            this.read(JSON.parse(localStorage.getItem(NAME) ?? "{}") as Record<string, unknown>);
        } catch {
            // Of another version, or there is no storage: the defaults will do.
        }
    }

    /** How to fill, as the protocol says it. */
    get fillOptions(): FillOptions {
        return this.model === "" ? { ...this.options } : { ...this.options, model: this.model };
    }

    /** Whether an option may have a value, by its declaration. */
    accepts(name: string, value: unknown): boolean {
        const option = this.declaration.options[name];
        if (option === undefined) {
            return false;
        }
        if (value === null) {
            return option.automatic;
        }
        if (typeof value === "number") {
            return Number.isInteger(value) && option.high !== null && value >= option.low && value <= option.high;
        }
        return typeof value === "boolean" ? option.flag : option.choices.includes(String(value));
    }

    keep(): void {
        const { brush, colour, whilePainting, model, options } = this;
        const offered = Object.fromEntries(OFFERED.map((name) => [name, options[name]]));
        try {
            localStorage.setItem(NAME, JSON.stringify({ brush, colour, whilePainting, model, options: offered }));
        } catch {
            // Only this time, then.
        }
    }

    private read(kept: Record<string, unknown>): void {
        if (typeof kept["brush"] === "number" && kept["brush"] >= 1) {
            this.brush = kept["brush"];
        }
        if (typeof kept["colour"] === "string" && /^#[0-9a-f]{6}$/.test(kept["colour"])) {
            this.colour = kept["colour"];
        }
        this.whilePainting = kept["whilePainting"] === true;
        if (typeof kept["model"] === "string") {
            this.model = kept["model"];
        }
        const options = (kept["options"] ?? {}) as Record<string, unknown>;
        for (const name of OFFERED) {
            if (name in options && this.accepts(name, options[name])) {
                this.options[name] = options[name] as FillOptions[string] & (string | number | null);
            }
        }
    }
}

export function rgbOf(colour: string): [number, number, number] {
    const number = parseInt(colour.slice(1), 16);
    return [number >> 16, (number >> 8) & 255, number & 255];
}
