/** The controller's entry: reads the command line, then starts. The application is loaded only when it is to run. */
import { helpText, parseCommandLine, SettingsError } from './settings/settings.js';

try {
  const parsed = parseCommandLine(process.argv.slice(2), process.env);
  if (parsed.help) {
    process.stdout.write(helpText());
  } else {
    const { runController } = await import('./controller.js');
    await runController(parsed.settings);
  }
} catch (error) {
  process.stderr.write(`datapath-controller: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof SettingsError ? 2 : 1);
}
