/** The server has had enough of this session, not of us: another one may begin at once. */
const OF_THE_SESSION =
  /\b(?:idle|inactiv\w*|time-?d?\s?-?out|shutting down|going down|(?:per|this|same|one|a single) (?:smtp )?(?:connection|session))\b/i

/** The server wants less of us, by whatever connection. */
const OF_THE_SENDER =
  /\b4\.7\.\d|\b(?:rate|throttl\w*|too (?:many|much|fast|frequent\w*)|volume|quota|exceed\w*|limit\w*|deferr?\w*|reputation|block\w*|policy|spam|unsolicited|complain\w*|unusual)\b/i

/**
 * Whether a 421 on a session that was used before is about the sender (it must wait), rather than about the session, which
 * was idle or has carried enough. In doubt it is the session's: a new one then meets the same 421 if it was not.
 */
export function isThrottle(text: string): boolean {
  return !OF_THE_SESSION.test(text) && OF_THE_SENDER.test(text)
}
