/**
 * What may be a secret in a store's address: the password between `//` and the last `@`, and one given as a parameter.
 * Up to the *last* `@`, since passwords hold that letter too.
 */
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\n]*@/gi
const PARAMETER = /([?&][a-z_]*(?:password|passwd|pass|auth|secret|token)=)[^&\s"']*/gi

/** `redis://user:secret@host/0` → `redis://:***@host/0`. Everything that shows a store's address goes through here. */
export function redactSecrets(text: string): string {
  return text.replace(CREDENTIALS, '$1:***@').replace(PARAMETER, '$1***')
}
