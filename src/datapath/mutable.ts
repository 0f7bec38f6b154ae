/** While an object is made, its fields may be set one by one. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };
