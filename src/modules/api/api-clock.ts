/** The clock of the API, injected so that tests decide the time. */
export const API_CLOCK = Symbol('API_CLOCK');
