/** The absolute path of the program `modstore` for this platform. Throws an Error with a `hint` if there is none. */
export function program(): string;
