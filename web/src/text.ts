// Texts in the artist's language, looked up by the English ones, as in the plug-ins.

import { fetchJson } from "./auth.js";

/** The languages that there are catalogues of, by what browsers call them. */
const LANGUAGES: Record<string, string> = {
    de: "de",
    es: "es",
    fr: "fr",
    ja: "ja",
    ko: "ko",
    zh: "zh_CN",
};

let texts: Record<string, string> = {};

/** Load the texts of the first language of the browser that is known. */
export async function loadTexts(wanted: readonly string[]): Promise<void> {
    for (const language of wanted) {
        const base = language.split("-")[0] ?? "";
        if (base === "en") {
            break;
        }
        const name = LANGUAGES[base];
        if (name !== undefined) {
            texts = (await fetchJson(`/web/texts/${name}.json`)) as Record<string, string>;
            document.documentElement.lang = name.replace("_", "-");
            return;
        }
    }
    document.documentElement.lang = "en";
}

/** The text in the artist's language. */
export function _(text: string): string {
    return texts[text] ?? text;
}

/** The text with its `{fields}` filled in; `{name:.1f}` is a number with one digit after the point. */
export function format(text: string, values: Record<string, string | number>): string {
    return _(text).replace(/\{(\w+)(?::\.(\d)f)?\}/g, (whole, name: string, digits: string | undefined) => {
        const value = values[name];
        if (value === undefined) {
            return whole;
        }
        return digits === undefined ? String(value) : Number(value).toFixed(Number(digits));
    });
}
