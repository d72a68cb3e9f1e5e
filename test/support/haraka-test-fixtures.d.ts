/** What tests use of haraka-test-fixtures, which ships no types. What a connection holds is for each test to say. */
declare module 'haraka-test-fixtures' {
  export function makeConnection(options: object): unknown
}
