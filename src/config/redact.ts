/**
 * What may be a secret in a store's address: the password between `//` and the last `@`, and one given as a parameter.
 * Up to the *last* `@`, since passwords hold that letter too.
 */
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\n]*@/gi
/** An ellipsis stands for a password where the forms of an address are explained. */
const PARAMETER = /([?&][a-z_]*(?:password|passwd|pass|auth|secret|token)=)(?!…)[^&\s"']*/gi

/** `redis://user:secret@host/0` → `redis://:***@host/0`. Everything that shows a store's address goes through here. */
export function redactSecrets(text: string): string {
  return text.replace(CREDENTIALS, '$1:***@').replace(PARAMETER, '$1***')
}

/** As {@link CREDENTIALS}, within one word; a path that was tidied has only one slash. */
const CREDENTIALS_IN_PROSE = /\b([a-z][a-z0-9+.-]*:\/\/?)[^\s"'[\]]*@/gi

/** The same for prose, which may go on after an address, and for an address that stands where none belongs. */
export function redactProse(text: string): string {
  return text.replace(CREDENTIALS_IN_PROSE, '$1***@').replace(PARAMETER, '$1***')
}

/** Whether a text holds what {@link redactSecrets} would hide. */
export function hasSecrets(text: string): boolean {
  return redactSecrets(text) !== text
}

/** The key of a paid DNS list is a long label of its zone: `abc…xyz.zen.example.net` → `***.zen.example.net`. */
export function redactKeys(text: string): string {
  return text.replace(/[a-z0-9]{20,}/gi, '***')
}
