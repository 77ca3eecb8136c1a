// The DCC's request templates of the firmware services, as {name: XML}.
const { loadTemplates } = require("@smartdcc/duis-templates");
const { constructDuis } = require("@smartdcc/duis-parser");

loadTemplates({ logger: () => {} }).then((templates) => {
  const found = {};
  for (const [name, template] of Object.entries(templates)) {
    const variant = template.serviceReferenceVariant["Service Reference Variant"];
    if (["8.2", "11.1", "11.2", "11.3", "11.4"].includes(variant)) {
      found[name] = constructDuis("simplified", template.simplified);
    }
  }
  process.stdout.write(JSON.stringify(found));
});
