/** Definitions of custom resources in tests. */
import type { ControlPlane } from '../../tools/control-plane/launcher.js';
import { eventually } from './controller.js';

/** A definition's conditions, as the API server writes them a moment after it was made. */
export interface Definition {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] | null };
}

/** Whether the API server serves the resource. */
export function isEstablished(definition: Definition): boolean {
  return (
    definition.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') === true
  );
}

/**
 * Applies the definition in a file and waits until it is served. `kubectl wait` can't be used: it ends with an error where the
 * conditions aren't written yet.
 *
 * @param name `plural.group`
 */
export async function serveDefinition(plane: ControlPlane, file: string, name: string): Promise<void> {
  await plane.kubectlOk(['apply', '-f', file]);
  await eventually(`${name} is served`, async () => {
    const { status, text } = await plane.request(
      'GET',
      `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`,
    );
    return status === 200 && isEstablished(JSON.parse(text) as Definition);
  });
}
