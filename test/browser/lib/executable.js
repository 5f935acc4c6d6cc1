// Finding a browser: the one an environment variable names, or one in PATH.

import { accessSync, constants } from 'node:fs';
import path from 'node:path';

// Throws when there is none: a test without its browser fails.
export function executable(variable, names) {
  const wanted = process.env[variable];
  const folders = [...(process.env.PATH ?? '').split(path.delimiter).filter(Boolean), '/usr/bin'];
  const places = wanted ? [wanted] : names.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  const found = places.find(runs);
  if (!found) throw new Error(`no browser: ${wanted ?? `${names.join(', ')} in PATH`}. Install it, or set ${variable} to its path`);
  return found;
}

function runs(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
