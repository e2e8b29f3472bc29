// What the project declares once, for every client: options, choices, words for faults, sizes of windows.

import { fetchJson } from "./auth.js";

export interface Option {
    about: string;
    low: number;
    high: number | null;
    unit: string;
    choices: string[];
    flag: boolean;
    automatic: boolean;
    default: string | number | boolean | null;
}

export interface Choice {
    name: string;
    label: string;
}

export interface Sizes {
    minWindow: number;
    marginShare: number;
    minMargin: number;
    maxMargin: number;
    minContext: number;
    windowStep: number;
    minGrow: number;
    maxGrow: number;
    minFeather: number;
    maxFeather: number;
    windowOverhead: number;
    onePiece: number;
    cell: number;
    maxParts: number;
}

export interface Declaration {
    version: string;
    options: Record<string, Option>;
    choices: { context: Choice[]; quality: Choice[] };
    failures: Record<string, string>;
    stages: Record<string, string>;
    geometry: Sizes;
}

export async function loadDeclaration(): Promise<Declaration> {
    return (await fetchJson("/web/declaration.json")) as Declaration;
}
