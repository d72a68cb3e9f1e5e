/**
 * A Haraka plugin that lets clients log in without TLS, for `files: {'../plugins/passwords.js': …}`.
 *
 * @param isRight JavaScript of `user` and `password`
 */
export function passwordsPlugin(isRight: string): string {
  return `exports.register = function () { this.inherits('auth/auth_base') }
exports.hook_capabilities = (next, connection) => {
  connection.capabilities.push('AUTH PLAIN LOGIN')
  connection.notes.allowed_auth_methods = ['PLAIN', 'LOGIN']
  next()
}
exports.check_plain_passwd = (connection, user, password, done) => done(${isRight})
`
}
