// Icons of 24 x 24, drawn with lines.

const SHAPES: Record<string, string> = {
    brush: "M20 4c-4 1-9 6-11 9l2 2c3-2 8-7 9-11zM8 14c-2 0-3 1.5-3 3 0 1.2-.8 2-2 2.2C5 21 9.5 20.5 10 17.5c.2-1.800-.8-3.500-2-3.500z",
    eraser: "M13 5l6 6-8 8H7l-3-3zM9 9l6 6M11 19h9",
    lasso: "M12 5c4.500 0 8 2.200 8 5s-3.500 5-8 5c-1 0-2-.1-3-.3M6.500 13.500C5 12.600 4 11.400 4 10c0-2.800 3.500-5 8-5M6.500 13a2 2 0 1 0 .1 4 2 2 0 0 0 0-4zM7 17c.5 1.500 0 3-1.500 4",
    rectangle: "M4 6h3M10 6h4M17 6h3M20 9v2M20 14v4h-3M14 18h-4M7 18H4v-4M4 11V9",
    source: "M9 21h6M12 21v-4M6 17h12v-3l-4-1c0-2 1-3.500 1-5a3 3 0 0 0-6 0c0 1.500 1 3 1 5l-4 1z",
    hand: "M8 13V6.500a1.500 1.500 0 0 1 3 0V11M11 10.500V5a1.500 1.500 0 0 1 3 0v6M14 10.500V6.500a1.500 1.500 0 0 1 3 0V14c0 4-2 6.500-5.500 6.500-3 0-4.500-1.500-6-4.500l-1.400-2.800c-.6-1.300 1.100-2.300 2-1.200L8 14",
    undo: "M9 6L4.500 10.500 9 15M5 10.500h9a5 5 0 0 1 0 10h-3",
    redo: "M15 6l4.500 4.500L15 15M19 10.500h-9a5 5 0 0 0 0 10h3",
    compare: "M12 3v18M5 6h4M5 18h4M4 6v12M15 6h4v12h-4",
    plus: "M12 5v14M5 12h14",
    minus: "M5 12h14",
    fit: "M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4",
    close: "M6 6l12 12M18 6L6 18",
    save: "M12 4v11M7.500 10.500L12 15l4.500-4.500M5 19h14",
    more: "M6 12h.01M12 12h.01M18 12h.01",
    open: "M4 18V6h5l2 2h9v10z",
    options: "M4 7h9M17 7h3M4 12h3M11 12h9M4 17h9M17 17h3M15 5v4M9 10v4M15 15v4",
    invert: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
    grow: "M9 9h6v6H9zM4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4",
    shrink: "M9 9h6v6H9zM4 7h3V4M17 4v3h3M20 17h-3v3M7 20v-3H4",
    clear: "M5 7h14M9 7V5h6v2M7 7l1 12h8l1-12",
    eye: "M3 12c3-5 6-6.500 9-6.500s6 1.500 9 6.500c-3 5-6 6.500-9 6.500S6 17 3 12zM12 9.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5z",
    sparkle: "M12 4l1.800 5.200L19 11l-5.200 1.800L12 18l-1.800-5.200L5 11l5.200-1.800z",
    again: "M19 12a7 7 0 1 1-2-4.900M19 4v4h-4",
};

export function icon(name: keyof typeof SHAPES & string): SVGSVGElement {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("icon");
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", SHAPES[name] ?? "");
    svg.append(path);
    return svg;
}
