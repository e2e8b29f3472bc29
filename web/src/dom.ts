// Elements in one expression. Texts are always set as text, never as markup.

type Value = string | number | boolean | undefined | ((event: never) => void);

/** Make an element. `on...` are listeners, true and false are attributes that are there or not. */
export function element<Name extends keyof HTMLElementTagNameMap>(
    name: Name,
    attributes: Record<string, Value> = {},
    ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function") {
            made.addEventListener(key.slice(2), value as EventListener);
        } else if (value === true) {
            made.setAttribute(key, "");
        } else if (value !== undefined && value !== false) {
            made.setAttribute(key, String(value));
        }
    }
    made.append(...children);
    return made;
}

/** A drawing context; a browser without one cannot show the page at all. */
export function context2d(canvas: HTMLCanvasElement, settings?: CanvasRenderingContext2DSettings): CanvasRenderingContext2D {
    const context = canvas.getContext("2d", settings);
    if (context === null) {
        throw new Error("this browser has no canvas");
    }
    return context;
}

/** The same for a canvas that is not shown. */
export function offscreen(width: number, height: number, reads = false): OffscreenCanvasRenderingContext2D {
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: reads });
    if (context === null) {
        throw new Error("this browser has no canvas");
    }
    return context;
}
