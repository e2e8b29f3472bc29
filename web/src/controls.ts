// The page's small controls, each with a name for screen readers and a title that tells its key.

import { element } from "./dom.js";
import { icon } from "./icons.js";

export interface ButtonSettings {
    label: string;
    /** What it is called for screen readers, where the label alone does not say it. */
    name?: string;
    key?: string;
    icon?: Parameters<typeof icon>[0];
    class?: string;
    /** Whether the label is only read out. */
    iconOnly?: boolean;
    run: () => void;
}

export function button(settings: ButtonSettings): HTMLButtonElement {
    const { label, key, iconOnly } = settings;
    const title = key === undefined ? (iconOnly ? label : undefined) : `${label} (${key})`;
    const made = element("button", {
        type: "button",
        class: `${iconOnly ? "icon-button" : "button"} ${settings.class ?? ""}`.trim(),
        "aria-label": settings.name ?? (iconOnly ? label : undefined),
        title,
        onclick: settings.run,
    });
    if (settings.icon !== undefined) {
        made.append(icon(settings.icon));
    }
    if (!iconOnly) {
        made.append(element("span", {}, label));
    }
    return made;
}

/** A select with its label. */
export function choice(
    label: string,
    hint: string,
    choices: readonly { name: string; label: string }[],
    value: string,
    change: (value: string) => void,
): { node: HTMLElement; select: HTMLSelectElement } {
    const select = element("select", { title: hint });
    for (const each of choices) {
        select.append(element("option", { value: each.name }, each.label));
    }
    select.value = value;
    select.addEventListener("change", () => change(select.value));
    return { node: element("label", { class: "field" }, element("span", {}, label), select), select };
}

/** A number that may be left empty, which means automatic. */
export function numberField(
    label: string,
    hint: string,
    range: { low: number; high: number },
    empty: string,
    value: number | null,
    change: (value: number | null) => void,
): HTMLElement {
    const input = element("input", {
        type: "number",
        min: range.low,
        max: range.high,
        step: 1,
        placeholder: empty,
        title: hint,
        inputmode: "numeric",
    });
    input.value = value === null ? "" : String(value);
    input.addEventListener("change", () => {
        const number = input.value === "" ? null : Math.round(Number(input.value));
        const kept = number === null ? null : Math.min(range.high, Math.max(range.low, number));
        input.value = kept === null ? "" : String(kept);
        change(kept);
    });
    return element("label", { class: "field" }, element("span", {}, label), input);
}

export function checkbox(label: string, checked: boolean, change: (checked: boolean) => void): HTMLElement {
    const input = element("input", { type: "checkbox" });
    input.checked = checked;
    input.addEventListener("change", () => change(input.checked));
    return element("label", { class: "check" }, input, element("span", {}, label));
}

/** Have a file chosen; several where `many`. */
export function chooseFiles(many: boolean, take: (files: File[]) => void): void {
    const accept = "image/png,image/jpeg,image/webp,image/*";
    const input = element("input", { type: "file", accept, multiple: many, hidden: true });
    input.addEventListener("change", () => {
        input.remove();
        take([...(input.files ?? [])]);
    });
    input.addEventListener("cancel", () => input.remove());
    // In the page, so that it is there as long as the dialog is.
    document.body.append(input);
    input.click();
}
