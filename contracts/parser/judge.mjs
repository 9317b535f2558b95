// Prints what is wrong with AsyncAPI documents, each line begun with the file; exits with 1 where something is.
import { Parser, fromFile } from "@asyncapi/parser";

const ERROR = 0;
let wrong = 0;
for (const file of process.argv.slice(2)) {
  const { diagnostics } = await fromFile(new Parser(), file).parse();
  for (const { code, message, path, severity } of diagnostics) {
    if (severity !== ERROR) continue;
    wrong = 1;
    console.error(`${file}: ${path.join(".")}: ${message} (${code})`);
  }
}
process.exit(wrong);
