// Render each .dot file of docs/diagrams: node render.mjs FOLDER-OF-THE-RENDERER FOLDER-OF-THE-PICTURES
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const diagrams = fileURLToPath(new URL("../../docs/diagrams/", import.meta.url));
const [tools, target] = process.argv.slice(2).map((path) => resolve(path));
const { instance } = await import(createRequire(join(tools, "package.json")).resolve("@viz-js/viz"));
const viz = await instance();
for (const name of readdirSync(diagrams).filter((name) => name.endsWith(".dot"))) {
  const source = readFileSync(join(diagrams, name), "utf-8");
  writeFileSync(join(target, `${basename(name, ".dot")}.svg`), viz.renderString(source, { format: "svg" }));
}
