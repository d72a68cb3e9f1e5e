--[[
judge-1: judges batches of asks, one after the other. Each is judged against the state before it, and commits the asks
that have room unless an enforced one is refused. The twin in TypeScript is src/store/engine/judge.ts;
src/store/engine/codec.ts describes the bytes of a value.

KEYS[i]  key of the i-th ask, over all batches; no key twice in a batch, all in one hash slot
ARGV     number of batches, then for each batch: number of asks, then for each ask, flat, numbers in decimal:
           'w' enforced cost windows, then for each window: limit windowMs
           'r' enforced cost intervalMs burst
           'a' enforced cost intervalMs burst aheadMs
               the same, as a reservation
           'l' enforced limit id ttlMs
           'g' enforced delayMs retryMs passMs
           'm' 0 leastSamples leastMean halfLifeMs most apartMs keepMs sample
               means and samples in ten-thousandths, most in thousandths; an empty sample: there is none
           'd' enforced bit most windowMs
               bit of the value, from 0; most: set bits that the limit allows
         or, for one that earlier merits of its batch may excuse, before all that
           'x' enforced length merits, then the index of each merit in the batch, from 0
               length of what follows
         enforced is 0 or 1, id has 12 characters
Result   integers, flat: for each batch 1 when committed, else 0; then for each of its asks
           retryAfterMs  0 when it has room, -1 when it never can have; of 'm' 0 when it is ok, else 1;
                         -2 - index when that merit has excused it
           count         units in use before this ask; of 'm' whole samples; of 'd' set bits
           more          'w': index of the window that count is of, from 0; 'm': the mean; 'a': startsInMs;
                         the others: nothing

A value of the wrong type, or one that is no state of its ask, counts as none: that forgets a count and refuses nobody.

Written for speed where it shows, being the one thing every RCPT waits for: `+ 0` reads a number three times faster than
tonumber(), struct.pack costs five times a struct.unpack, and SET takes a PX that is a string faster than a number.
]]
local argv, keys, call = ARGV, KEYS, redis.call
local byte, sub, find = string.byte, string.sub, string.find
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local pack, read = struct.pack, struct.unpack

local SLICES = 60
local WRAP = 281474976710656 -- 2^48
local NEVER = math.huge
local LONGEST_MS = 1e13 -- longer than any use of a key; PX must be an integer that prints as one
local HEADER, ENTRY, HOLDER = 14, 12, 18 -- bytes
local MAX_TAPES = 16
local MOST_PASSES = 4294967295 -- 2^32 - 1
local MEAN_UNITS, SAMPLE_UNITS = 10000, 1000
local BITS = 1024
local MAX_AHEAD_MS = 3600000

local clock = call('TIME')
local now = clock[1] * 1000 + floor(clock[2] / 1000)

local result, filled = {}, 0
local before = 0 -- how many keys the batches before this one have
local values = {} -- what to write for each ask of the batch; false when it has no room
local lives = {} -- PX of each
local merits = {} -- whether each merit of the batch is ok
local left_after -- of judge_merit; made when it is needed

