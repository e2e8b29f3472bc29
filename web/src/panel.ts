// Beside the picture: the brush, the mask, how to fill, and the fill itself.

import type { App } from "./app.js";
import { button, checkbox, choice, chooseFiles, numberField } from "./controls.js";
import { absence } from "./desk.js";
import { element } from "./dom.js";
import { OFFERED } from "./settings.js";
import { _, format } from "./text.js";
import { MAX_BRUSH, MIN_BRUSH } from "./tools.js";
import { Variants } from "./variants.js";

const SLIDER_STEPS = 1000;

export class Panel {
    readonly node: HTMLElement;
    private readonly size = element("input", { type: "range", min: 0, max: SLIDER_STEPS, id: "brush-size" });
    private readonly sizeText = element("output", { for: "brush-size" });
    private readonly fill: HTMLButtonElement;
    private readonly another: HTMLButtonElement;
    private readonly cancel: HTMLButtonElement;
    private readonly bar = element("progress", { max: 1, "aria-label": _("Progress") });
    private readonly stage = element("p", { class: "stage" });
    private readonly working: HTMLElement;
    private readonly masks: HTMLButtonElement[];
    private readonly everywhere: HTMLButtonElement;
    private readonly about = element("p", { class: "about" });
    private readonly variants: Variants;
    private readonly models: HTMLSelectElement;
    private listed = "";

    constructor(private readonly app: App) {
        this.size.addEventListener("input", () => app.tools.setBrush(fromSlider(Number(this.size.value))));
        this.variants = new Variants(app);
        this.fill = button({ label: _("Fill"), key: "Enter", icon: "sparkle", class: "primary", run: () => void app.fill() });
        this.another = button({ label: _("Another one"), key: "A", icon: "again", run: () => void app.another() });
        this.cancel = button({ label: _("Cancel"), key: "Esc", run: () => app.cancel() });
        this.working = element("div", { class: "working", hidden: true }, this.stage, this.bar, this.cancel);
        this.masks = [
            button({ label: _("Invert"), key: "I", icon: "invert", run: () => app.editMask("invert") }),
            button({ label: _("Grow"), key: "G", icon: "grow", run: () => app.editMask("grow") }),
            button({ label: _("Shrink"), key: "Shift+G", icon: "shrink", run: () => app.editMask("shrink") }),
            button({ label: _("Clear"), key: "Delete", icon: "clear", run: () => app.editMask("clear") }),
            button({ label: _("Load…"), icon: "open", run: () => chooseFiles(false, ([file]) => file && void app.loadMask(file)) }),
            button({ label: _("Save…"), name: _("Save the mask"), icon: "save", run: () => void app.saveAs("mask") }),
        ];
        this.everywhere = button({ label: _("Copy from everywhere"), icon: "clear", run: () => app.clearSource() });
        const model = choice(_("Model:"), _("The network that fills"), [], "", (value) => {
            app.settings.model = value;
            app.settings.keep();
        });
        this.models = model.select;
        this.node = element(
            "aside",
            { class: "panel", id: "panel", "aria-label": _("Fill") },
            element(
                "div",
                { class: "panel-scroll", tabindex: -1 },
                section(
                    _("Brush"),
                    element("label", { class: "slider-label", for: "brush-size" }, element("span", {}, _("Size")), this.sizeText),
                    this.size,
                    element("p", { class: "hint" }, _("Keys [ and ], or the wheel with Alt. The right button erases.")),
                ),
                section(_("Mask"), element("div", { class: "grid" }, ...this.masks), this.colourField()),
                section(
                    _("Copy from"),
                    element("p", { class: "hint" }, _("Fills are copied from what “Copy from here” paints, or from everywhere.")),
                    this.everywhere,
                ),
                section(_("How to fill"), this.whilePainting(), ...this.optionFields(), model.node),
                this.about,
            ),
            element("div", { class: "panel-end" }, this.variants.node, this.working, element("div", { class: "row" }, this.fill, this.another)),
        );
        app.fills.onProgress = (progress) => {
            this.working.hidden = progress === null;
            if (progress !== null) {
                const { stage, fraction, position } = progress;
                const words = app.declaration.stages[stage] ?? app.declaration.stages["filling"] ?? "";
                this.stage.textContent =
                    position > 0 ? format("Waiting, {count} before it", { count: position }) : _(words);
                if (stage === "filling" || stage === "blending") {
                    this.bar.value = fraction;
                } else {
                    this.bar.removeAttribute("value");
                }
            }
            app.onChange();
        };
    }

    refresh(): void {
        const { active, fills, tools } = this.app;
        this.size.value = String(toSlider(tools.brush));
        this.sizeText.textContent = `${tools.brush} px`;
        this.size.setAttribute("aria-valuetext", `${tools.brush} px`);
        this.size.disabled = active === null;
        this.fill.disabled = active === null;
        this.another.hidden = !active?.history.lastFill;
        this.another.disabled = fills.isRunning;
        for (const each of this.masks) {
            each.disabled = active === null;
        }
        this.everywhere.disabled = active === null || active.source.isUntouched;
        this.variants.refresh();
        this.about.textContent = active === null ? "" : this.aboutText();
        this.refreshModels();
    }

    private aboutText(): string {
        const { origin, raster } = this.app.active as NonNullable<App["active"]>;
        const size = `${raster.width} × ${raster.height}`;
        if (origin.key !== null && !this.app.desk.there.has(origin.key)) {
            return absence();
        }
        return origin.key === null
            ? format("{size}. Opened in the browser, so it is filled and saved in 8 bit sRGB. “lama-fill web FILE” keeps the full depth.", { size })
            : format("{size}. Filled in its own {depth} bits and saved beside the original.", { size, depth: origin.depth });
    }

    private colourField(): HTMLElement {
        const { app } = this;
        const input = element("input", { type: "color" });
        input.value = app.settings.colour;
        input.addEventListener("input", () => app.setColour(input.value));
        return element("label", { class: "field" }, element("span", {}, _("Colour of the mask")), input);
    }

    private whilePainting(): HTMLElement {
        const { settings } = this.app;
        return checkbox(_("Fill while painting"), settings.whilePainting, (checked) => {
            settings.whilePainting = checked;
            settings.keep();
        });
    }

    /** A field for each option that is offered, as it is declared. */
    private optionFields(): HTMLElement[] {
        const { settings, declaration } = this.app;
        const labels: Record<(typeof OFFERED)[number], [string, string]> = {
            quality: [_("Quality:"), _("The better, the longer it takes")],
            context: [_("Context:"), _("How much around the selection the network sees")],
            grow: [_("Grow:"), _("How far the fill reaches beyond the selection")],
            feather: [_("Feather:"), _("How softly the fill ends")],
        };
        return OFFERED.map((name) => {
            const option = declaration.options[name];
            const [label, hint] = labels[name];
            const set = (value: string | number | null): void => {
                if (settings.accepts(name, value)) {
                    settings.options[name] = value;
                    settings.keep();
                }
            };
            if (name === "quality" || name === "context") {
                const choices = declaration.choices[name].map((each) => ({ name: each.name, label: _(each.label) }));
                const value = String(settings.options[name]);
                return choice(label, hint, choices, value, (chosen) => set(/^\d+$/.test(chosen) ? Number(chosen) : chosen)).node;
            }
            const range = { low: option?.low ?? 0, high: option?.high ?? 0 };
            return numberField(label, hint, range, _("Automatic"), settings.options[name] as number | null, set);
        });
    }

    private refreshModels(): void {
        const known = this.app.desk.shared ?? this.app.connection.welcome;
        const now = JSON.stringify([known?.models.map((model) => model.name), known?.default_model]);
        if (known === null || now === this.listed) {
            return;
        }
        this.listed = now;
        const names = known.models.map((model) => model.name);
        this.models.replaceChildren(
            element("option", { value: "" }, format("Default ({model})", { model: known.default_model })),
            ...names.map((name) => element("option", { value: name }, name)),
        );
        this.models.value = names.includes(this.app.settings.model) ? this.app.settings.model : "";
        this.app.settings.model = this.models.value;
    }
}

function section(title: string, ...children: HTMLElement[]): HTMLElement {
    return element("section", { class: "section" }, element("h2", {}, title), ...children);
}

/** The slider is finer for small brushes. */
function toSlider(size: number): number {
    return Math.round((SLIDER_STEPS * Math.log(size / MIN_BRUSH)) / Math.log(MAX_BRUSH / MIN_BRUSH));
}

function fromSlider(value: number): number {
    return MIN_BRUSH * Math.exp((value / SLIDER_STEPS) * Math.log(MAX_BRUSH / MIN_BRUSH));
}
