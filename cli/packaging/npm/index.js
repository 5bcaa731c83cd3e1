// Where the program is: in the package of this platform, which npm installs as an optional dependency.
"use strict";

const fs = require("fs");
const os = require("os");

const packages = {
  "linux x64": "@modstore/linux-x64",
  "linux arm64": "@modstore/linux-arm64",
  "darwin x64": "@modstore/darwin-x64",
  "darwin arm64": "@modstore/darwin-arm64",
};

function fail(message, hint) {
  const error = new Error(message);
  error.hint = hint;
  throw error;
}

function isMusl() {
  const header = process.report && process.report.getReport().header;
  return process.platform === "linux" && header && !header.glibcVersionRuntime;
}

/** The absolute path of the program `modstore` for this platform. Throws an Error with a `hint` if there is none. */
function program() {
  const platform = `${process.platform} ${os.arch()}`;
  const name = packages[platform];
  if (!name) fail(`modstore has no package for ${platform}`, `it is built for ${Object.keys(packages).join(", ")}`);
  if (isMusl()) fail("modstore needs glibc, and this system has another C library", "build it from source: see the README");
  let path;
  try {
    path = require.resolve(`${name}/bin/modstore`);
  } catch {
    fail(`the package ${name} is not installed`, "install modstore again, without --omit=optional or --no-optional");
  }
  fs.accessSync(path, fs.constants.X_OK);
  return path;
}

module.exports = { program };
