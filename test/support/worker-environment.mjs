/**
 * Loaded into every process of Jest before anything else: each worker has a control plane of its own (`run --copies`), because a
 * controller that watches all namespaces sees, and writes, what the tests of another worker make.
 */
const copies = JSON.parse(process.env.CONTROL_PLANE_COPIES ?? '[]');
const mine = copies[(Number(process.env.JEST_WORKER_ID ?? 1) - 1) % copies.length];
if (mine !== undefined) Object.assign(process.env, { ...mine, PATH: process.env.PATH });
