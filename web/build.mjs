// Bundles src/ into the folder that is named: `node build.mjs FOLDER`.
import { copyFile, mkdir } from "node:fs/promises";
import { build } from "esbuild";

const out = process.argv[2];
if (!out) {
    throw new Error("usage: node build.mjs FOLDER");
}
await mkdir(out, { recursive: true });
await build({
    entryPoints: { app: "src/main.ts", style: "src/style.css" },
    outdir: out,
    bundle: true,
    minify: true,
    // Names of functions stay, so that a reported fault can be read.
    keepNames: false,
    charset: "utf8",
    format: "esm",
    target: ["es2022"],
    legalComments: "inline",
    logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) {
    await copyFile(`src/${name}`, `${out}/${name}`);
}
