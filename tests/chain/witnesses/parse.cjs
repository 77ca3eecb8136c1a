// What the DCC's parser makes of DUIS documents: a JSON array of XML texts in, one of objects out.
const { parseDuis, constructDuis } = require("@smartdcc/duis-parser");

const plain = (_, value) => (typeof value === "bigint" ? value.toString() : value);
const documents = JSON.parse(require("node:fs").readFileSync(0, "utf-8"));
const parsed = documents.map((xml) => {
  const duis = parseDuis("simplified", xml);
  // and what its own writer makes of that, for requests
  const again = duis.header.type === "request" ? constructDuis("simplified", duis) : null;
  return { duis, again };
});
process.stdout.write(JSON.stringify(parsed, plain));
