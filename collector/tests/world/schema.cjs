// Checks dashboards against the types of npm's @grafana/schema: node schema.cjs NODE_MODULES DASHBOARD...
// Each dashboard becomes a TypeScript literal of the type Dashboard, the options of each panel one of the type of that
// panel's plugin; the compiler names what does not fit. Enumerations may be given by their values, as JSON does.
const fs = require("fs");
const path = require("path");
const [modules, ...files] = process.argv.slice(2);
const ts = require(path.join(modules, "typescript"));

const composable = path.join(modules, "@grafana/schema/dist/esm/raw/composable");
// The types of a plugin's options; a row has none.
const optionTypes = (plugin) => {
  const folder = path.join(composable, plugin, "panelcfg/x");
  const file = fs.readdirSync(folder).find((name) => name.endsWith("_types.gen.d.ts"));
  return path.join(folder, file.replace(/\.d\.ts$/, ""));
};

const plugins = new Set();
const literals = [];
for (const file of files) {
  const board = JSON.parse(fs.readFileSync(file, "utf8"));
  const place = JSON.stringify(path.basename(file));
  literals.push(`check<Board>(${place}, ${JSON.stringify(board, null, 1)});`);
  for (const panel of board.panels.filter((panel) => panel.type !== "row")) {
    plugins.add(panel.type);
    const options = JSON.stringify(panel.options, null, 1);
    literals.push(`check<Loose<Partial<${panel.type}.Options>>>(${JSON.stringify(panel.title)}, ${options});`);
  }
}
const source = `
import type { AnnotationQuery, Dashboard } from "@grafana/schema";
${[...plugins].map((plugin) => `import type * as ${plugin} from ${JSON.stringify(optionTypes(plugin))};`).join("\n")}
type Loose<T> = T extends string ? T | \`\${T}\` : T extends Array<infer U> ? Loose<U>[]
  : T extends object ? { [K in keyof T]: Loose<T[K]> } : T;
// What the Prometheus data source reads beside the fields that all annotations have.
type Annotation = AnnotationQuery & { target?: { expr?: string; interval?: string } }
  & { titleFormat?: string; textFormat?: string; tagKeys?: string };
type Board = Loose<Omit<Dashboard, "annotations"> & { annotations: { list: Annotation[] } }>;
declare function check<T>(place: string, value: T): void;
${literals.join("\n")}
`;

const name = path.join(modules, "dashboards.ts");
fs.writeFileSync(name, source);
const program = ts.createProgram([name], {
  noEmit: true, strict: true, skipLibCheck: true, types: [],
  module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, target: ts.ScriptTarget.ES2022,
});
const lines = source.split("\n");
const faults = ts.getPreEmitDiagnostics(program).map((fault) => {
  const { line } = fault.file.getLineAndCharacterOfPosition(fault.start);
  const call = lines.slice(0, line + 1).reverse().find((text) => text.startsWith("check<")) ?? "";
  return `${call.slice(0, 120)} ... ${lines[line].trim()}: ${ts.flattenDiagnosticMessageText(fault.messageText, " ")}`;
});
console.log(faults.length === 0 ? `${files.length} dashboards fit` : faults.join("\n"));
process.exit(faults.length === 0 ? 0 : 1);
