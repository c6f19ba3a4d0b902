"""
How English says where things are: the patterns of `Grammar`.

In braces stand slots. Small letters are things: `{a}` names it, or speaks of it again where it is known; `{a.it}`,
`{a.they}`, `{a.its}`, `{a.the}` speak of it again as object, subject, possessor or by its noun. `{a:is}`, `{a:stands}`,
`{a:has}` are verbs that agree with it, `{put}` is a participle. Capitals R, S, T are relations: `{R}` says one before
its landmark, `{R.b}` with a pronoun for its landmark ("to its left"), `{R.verb}` as a verb. P, Q are places in the
picture. `{,}` and `{and}` join. `{2a}` names
two, `{na}` several, `{m:one}` marks words as one of them, `{p:head.b}` a part; y and z are parts, v and w clothes, x is a place. After the bar stands what is said.
"""

# One relation.
SINGLE = """
{a} {a:is} {R} {b} | a R b
{a} {a:is} {R} {b} | a R b
{a} {a:is} {put} {R} {b} | a R b
{a} {a:stands} {R} {b} | a R b
{a} {R} {b} | a R b
{a} {R} {b} | a R b
{a} {standing} {R} {b} | a R b
{a} {put} {R} {b} | a R b
{R} {b} {b:is} {a} | a R b
{R} {b}{,} there {a:is} {a} | a R b
{R} {b}{,} {we see} {a} | a R b
{R} {b} {a:stands} {a} | a R b
{put} {R} {b} {a:is} {a} | a R b
{standing} {R} {b} {a:is} {a} | a R b
{b} with {a} {R.b} | a R b
{b}{,} with {a} {R.b} | a R b
{b}{,} with {a} {standing} {R.b} | a R b
{b} {b:has} {a} {R.b} | a R b
{b}{,} and {R.b} {a} | a R b
{b}, {a} {R.b} | a R b
{b}. {R.b} {a:is} {a} | a R b
{b}. {R.b} {a:stands} {a} | a R b
{b}. {R.b}{,} {we see} {a} | a R b
{b} {b:stands} there. {a} {a:is} {R.b} | a R b
{b}; {a} {a:stands} {R.b} | a R b
{b}. {a} {a:is} {put} {R.b} | a R b
there {a:is} {a} {R} {b} | a R b
there {b:is} {b}{,} with {a} {R.b} | a R b
{a} can be seen {R} {b} | a R b
{a} can be found {R} {b} | a R b
{a} {R.verb} {b} | a R b
{a}{,} which {a:is} {R} {b} | a R b
{a} that {a:is} {R} {b} | a R b
{b} {R.which} {a:is} {a} | a R b
{b}{,} {R.which} {a:stands} {a} | a R b
what {a:stands} {R} {b} {a:is} {a} | a R b
it is {a} that {a:stands} {R} {b} | a R b
{we see} {a} {R} {b} | a R b
{draw} {a} {R} {b} | a R b
{draw} {b} and put {a} {R.b} | a R b
put {a} {R} {b} | a R b
a scene with {a} {R} {b} | a R b
{a} {a:has} {a.its} place {R} {b} | a R b
not far off, {a} {R} {b} | a R b
"""

# Two or three relations.
SEVERAL = """
{a} {a:is} {R} {b} and {S} {c} | a R b; a S c
{a} {a:is} {put} {R} {b} and {S} {c} | a R b; a S c
{a} {R} {b} and {S} {c} | a R b; a S c
{a} {R} {b}, {S} {c} | a R b; a S c
{a} {a:stands} {R} {b}{,} but {S} {c} | a R b; a S c
{a} {a:is} {R} {b}, which {b:is} {S} {c} | a R b; b S c
{a} {a:is} {R} {b}, which in turn {b:is} {S} {c} | a R b; b S c
{a} {a:is} {R} {b} that {b:is} {S} {c} | a R b; b S c
{a} {R} {b} {R2} {c} | a R b; b R2 c
{a} {a:stands} {R} {b}{,} {and} {c} {c:stands} {S} {b.any} | a R b; c S b
{a} {a:is} {R} {b}{,} {and} {c} {c:is} {S} {a.any} | a R b; c S a
{a} {a:is} {R} {b}, {c} {S} {b.any} | a R b; c S b
{a} {a:is} {R} {b}, {c} {S} {d} | a R b; c S d
{a} {a:is} {R} {b}, {c} {S.b} | a R b; c S b
{a} {a:is} {R} {b}{,} {and} {c} {c:is} {S} {d} | a R b; c S d
{a} {R} {b}{,} {and} {c} {S} {d} | a R b; c S d
{a} {R} {b}, {c} {S} {a.any} | a R b; c S a
{a} {R} {b}, {c} {S} {b.any} | a R b; c S b
{a} {a:is} {R} {b}, while {c} {c:is} {S} {b.any} | a R b; c S b
{a} {a:is} {R} {b}{,} with {c} {S.a} | a R b; c S a
{a} {a:is} {R} {b}{,} with {c} {put} {S.b} | a R b; c S b
{a} {a:is} {R} {b}{,} with {c} {S.a} and {d} {T.a} | a R b; c S a; d T a
{a} with {b} {R.a} and {c} {S.a} | b R a; c S a
{a}{,} with {b} {R.a}{,} and {c} {S.a} | b R a; c S a
{a} has {b} {R.a} and {c} {S.a} | b R a; c S a
{R} {b} {a:is} {a}, {and} {S} {c} {d:is} {d} | a R b; d S c
{R} {b} {a:stands} {a}; {S.b} {c} | a R b; c S b
{R} {b} {a:stands} {a} and {c} | a R b; c R b
{R} {b} {a:is} {a}, {c} and {d} | a R b; c R b; d R b
{a} and {b} are {R} {c} | a R c; b R c
{a} and {b} {R} {c} | a R c; b R c
both {a} and {b} are {R} {c} | a R c; b R c
{a} and {b} are both {put} {R} {c} | a R c; b R c
{a}, {b} and {c} are {R} {d} | a R d; b R d; c R d
{a} {a:is} {R} both {b} and {c} | a R b; a R c
{a} {a:is} {R} {b} and {c} | a R b; a R c
{R} both {b} and {c} {a:stands} {a} | a R b; a R c
{a} {a:is} {R} {b}. {c} {c:is} {S} {b.the} | a R b; c S b
{a} {a:is} {R} {b}. {S} {b.the} {c:is} {c} | a R b; c S b
{a} {a:is} {R} {b}. {S.b}{,} {we see} {c} | a R b; c S b
{a} {a:is} {R} {b}. {a.they} {a:is} also {S} {c} | a R b; a S c
{a} {a:is} {R} {b}. {a.the} {a:is} {S} {c} | a R b; a S c
{a} {a:stands} {R} {b}. {c} {c:stands} {S} {a.it}, and {T.c} {d:is} {d} | a R b; c S a; d T c
{a} {a:is} {R} {b}, {b.the} {S} {c}{,} and {c.the} {T} {d} | a R b; b S c; c T d
{a} and {b}. {a.the} {a:is} {R} {c}, {b.the} {S} {d} | a R c; b S d
{a} and {b}. {c} {c:is} {R} {a.the}, {d} {d:is} {S} {b.the} | c R a; d S b
{a}, {b} and {c}: {a.the} {a:is} {R} {b.the}, {c.the} {S} {b.it} | a R b; c S b
{a} {a:is} {R} {b} and {b.it} {R} {c} | a R b; b R c
in {x}{,} {a} {a:stands} {R} {b}{,} and {c} {S} {b.any} | a R b; c S b
{a} {a:is} not {R} {b} but {S} {b.it} | a S b
{a} {a:is} {R} {b} on which {c} {c:stands} | a R b; c on b
{a} {a:is} above {b} and below {c} | a above b; a below c
{a} {a:is} {R} {b} {R} {c} | a R b; b R c
"""

# Left and right, above and below, as they are told without a landmark of their own, and things between others.
SIDES = """
{a} flanked by {b} on {a.its} left and {c} on {a.its} right | b left of a; c right of a
{a} flanked by {b} and {c} | b next to a; c next to a
{a} {a:is} flanked by {b} on the left and {c} on the right | b left of a; c right of a
{b} and {c} flank {a} | b next to a; c next to a
{a} {a:is} between {b} and {c} | a between b c
{a} {a:stands} between {b} and {c} | a between b c
{a} between {b} and {c} | a between b c
{a} {put} between {b} and {c} | a between b c
{a} sandwiched between {b} and {c} | a between b c
{a} in the middle of {b} and {c} | a between b c
between {b} and {c} {a:is} {a} | a between b c
between {b} and {c} {a:stands} {a} | a between b c
between {b} and {c}, {we see} {a} | a between b c
{b} and {c} with {a} between them | a between b c
{b} and {c}{,} and between {b+c.it} {a} | a between b c
{b} and {c}; {a} {a:stands} between {b+c.it} | a between b c
{b} {b:is} {R} {c}. between {b+c.it} {a:is} {a} | b R c; a between b c
{b} {R} {c}, {a} between {b+c.it} | b R c; a between b c
{b} on the left, {c} on the right{,} {and} {a} in between | b at left; c at right; a between b c
{b} on the left, {c} on the right{,} {and} {a} in the middle | b at left; c at right; a at centre
{a} between {b} on the left and {c} on the right | a between b c; b at left; c at right
{a} {a:stands} between {b} on the left and {c} on the right | a between b c; b at left; c at right
{a} {a:is} {put} between {b}, on the left, and {c}, on the right | a between b c; b at left; c at right
between {b} on the left and {c} on the right {a:stands} {a} | a between b c; b at left; c at right
{a} {a:stands} between {b} to {a.its} left and {c} to {a.its} right | a between b c; b at left; c at right
{a} between {b} to the right and {c} to the left | a between b c; b at right; c at left
{a} {a:stands} between {b} above and {c} below | b above a; c below a
{a} {a:stands} between {b} above {a.it} and {c} below {a.it} | b above a; c below a
{a} sandwiched between {b} on top and {c} underneath | b above a; c below a
{a} {put} midway between {b} and {c} | a between b c
{a}, flanked on the left by {b} and on the right by {c} | b left of a; c right of a
flanked by {b} on the left and {c} on the right {a:stands} {a} | b left of a; c right of a
{a} {a:is} {lat} {b} and {c} {tal.bare} | a lat b; c tal b
{a} {a:stands} {lat} {b}, {c} {tal.bare} | a lat b; c tal b
{a} {lat} {b}, {c} {tal.bare} | a lat b; c tal b
{b}. {a} {a:stands} {lat.bare}, {c} {tal.bare} | a at lat; c at tal
{a} {a:is} above {b} and {c} below | a above b; c below b
{a} above {b}, {c} below | a above b; c below b
{a} {a:stands} on {b}, {c} underneath | a on b; c below b
{a} {a:stands} in front of {b} and {c} behind | a in front of b; c behind b
{a} {a:is} above {b}, {c} below {b.it}, {d} to the left and {e} to the right | a above b; c below b; d left of b; e right of b
to {b}'s left {a:is} {a} | a left of b
to {b}'s right {a:stands} {a} | a right of b
{a} {a:is} on {b}'s left | a left of b
{a} {a:stands} to {b}'s right | a right of b
to {b}'s left {a:is} {a} and to {b.its} right {c} | a left of b; c right of b
{b}'s left side is taken by {a}, {b.its} right by {c} | a left of b; c right of b
over {b}'s {p:head.b} {a:stands} {a} | a above p
{a} {a:stands} on {b}'s {p:roof.b} | a on p
{a} on {p:shoulder.b} of {b} | a on p
{b} with {a} on {b.its} {p:back.b} | a on p
{b}, {a} {R} {p:door.b} | a R p
behind {b}'s {p:back.b} {a:stands} {a} | a behind p
{b} containing {a} | a inside b
{b} contains {a} | a inside b
{b} full of {na} | a inside b
{b} filled with {na} | a inside b
{na} fill {b} | a inside b
{b} supports {a} | a on b
{b} topped with {a} | a on b
on {b} lie {a}, {c} and {d} | a on b; c on b; d on b
in {b} are {a} and {c} | a inside b; c inside b
{b} with {a} and {c} on top | a on b; c on b
{a} and {b}, {a.former} {R} {b.latter} | a R b
{x} with {a} and {b}; {a.former} {a:is} {R} {b.latter} | a R b
{a} {R} {b}. above {a+b.it} {c:stands} {c} | a R b; c above a; c above b
{a} and {b}. behind {a+b.it} {c:stands} {c} | c behind a; c behind b
left: {a} above {b}. right: {c} above {d} | a at left; a above b; c at right; c above d
in the left half, {a} with {b} {R.a}; in the right half, {c} with {d} {S.c} | a at left; b R a; c at right; d S c
left panel: {a} {R} {b}. right panel: {c} | a at left; a R b; c at right
in the top row {a}, in the middle row {b}, and in the bottom row {c} | a above b; b above c
top: {a}; middle: {b}; bottom: {c} | a above b; b above c
four corners: {a} top left, {b} top right, {c} bottom left, {d} bottom right | a at top left; b at top right; c at bottom left; d at bottom right
on the far left {a:stands} {a}, on the far right {b} | a at left; b at right
{a} {a:stands} on the far left, {b} on the far right, and {c} {c:is} between {a+b.it} | a at left; b at right; c between a b
first comes {a}; to the right of {a.that}, {b}; and further right still, {c} | b right of a; c right of b
{a}, and left of {a.that} {b}, and left of {b.that} {c} | b left of a; c left of b
from right to left {we see} {a}, {b} and {c} | a right of b; b right of c
{a} {a:is} left of {b}, which {b:is} left of {c}, which {c:is} left of {d} | a left of b; b left of c; c left of d
{a} {a:is} {R} {b}, which in turn {b:is} {R} {c}, which in turn {c:is} {R} {d} | a R b; b R c; c R d
{a} {a:is} {R} {b}, {c} and {d} | a R b; a R c; a R d
{a} {R} {b} {R} {c} {R} {d} | a R b; b R c; c R d
{a}'s neighbour on the left is {b}, on the right {c} | b left of a; c right of a
{a} {a:is} {lat} {b} and {tal} {c} | a lat b; a tal c
{a} {a:is} above {b} and to the left of {c} | a above b; a left of c
{a} has {b} on one side and {c} on the other | b next to a; c next to a
{a} {a:stands} between {2b} | a between b b
{a} between {2b} | a between b b
between {2b} {a:is} {a} | a between b b
{2b} with {a} between them | a between b b
{2b} {2b:stand} {R} {c}{,} {and} between {b.it} {a} | b R c; a between b b
{2b} flank {a} | b next to a
{a} flanked by {2b} | b next to a
{a} with {2b} on either side | b next to a
{2b} on either side of {a} | b next to a
{a} {a:is} {lat} {b}{,} with {c} on the other side | a lat b; c tal b
{a} {a:is} {lat} {b}{,} {and} on {b.its} other side {c:stands} {c} | a lat b; c tal b
{a} {lat} {b}, {c} on the other side | a lat b; c tal b
{b} {b:is} in the middle, {a} to {b.its} left and {c} to {b.its} right | b at centre; a left of b; c right of b
from left to right: {a}, {b}, {c} | a left of b; b left of c
from left to right: {a}, {b} and {c} | a left of b; b left of c
from left to right{,} {we see} {a}, {b}, {c} and {d} | a left of b; b left of c; c left of d
{a}, {b} and {c} from left to right | a left of b; b left of c
from right to left: {a}, {b}, {c} | a right of b; b right of c
from top to bottom: {a}, {b} and {c} | a above b; b above c
from top to bottom: {a}, {b}, {c}, {d} | a above b; b above c; c above d
from bottom to top: {a}, {b}, {c} | a below b; b below c
{a}, then {b}, then {c}, from left to right | a left of b; b left of c
in a row from left to right: {a}, {b}, {c} | a left of b; b left of c
first row from left to right: {a}, {b}. second row from left to right: {c}, {d} | a left of b; c left of d; a above c; b above d
top row: {a}, {b}, {c}. bottom row: {d}, {e}, {f} | a left of b; b left of c; d left of e; e left of f; a above d; b above e; c above f
upper shelf: {a}, {b}; lower shelf: {c}, {d} | a left of b; c left of d; a above c; b above d
left column: {a}, {b}. right column: {c}, {d} | a above b; c above d; a left of c; b left of d
{a} on the left and {b} on the right | a at left; b at right
{a} on the left, {b} on the right | a at left; b at right
{a} left, {b} right | a at left; b at right
on the left {a:is} {a}, on the right {b} | a at left; b at right
on the left, {a}; on the right, {b} | a at left; b at right
left: {a}, right: {b} | a at left; b at right
left - {a}, right - {b} | a at left; b at right
left side: {a}. right side: {b} | a at left; b at right
{a} to the left{,} and {b} to the right | a at left; b at right
to the left {a:is} {a}, to the right {b:is} {b} | a at left; b at right
{a} at the top and {b} at the bottom | a at top; b at bottom
{a} on the top and {b} on the bottom | a at top; b at bottom
a scene with {a} on the top and {b} on the bottom | a at top; b at bottom
a scene with {a} on the left and {b} on the right | a at left; b at right
top: {a}, bottom: {b} | a at top; b at bottom
{a} above, {b} below | a at top; b at bottom
at the top {a:is} {a}, at the bottom {b} | a at top; b at bottom
upper half: {a}, lower half: {b} | a at top; b at bottom
the left half shows {a}, the right half {b} | a at left; b at right
split screen, {a} on the left, {b} on the right | a at left; b at right
{a} on the left facing {b} on the right | a at left; b at right
{a} in the centre, {b} on the left, {c} on the right | a at centre; b at left; c at right
center: {a}, left: {b}, right: {c} | a at centre; b at left; c at right
foreground: {a}. background: {b} | a at foreground; b at background
{a} in the foreground, {b} in the background | a at foreground; b at background
in the foreground {a}, {R.a} {b} | a at foreground; b R a
{a} in the foreground with {b} {R.a} | a at foreground; b R a
{a} {P} | a P
{a} {P} | a P
{a} {a:is} {P} | a P
{a} {a:stands} {P} | a P
{P} {a:is} {a} | a P
{P}{,} {we see} {a} | a P
{P}, {a}; {Q}, {b} | a P; b Q
{a} {P} and {b} {Q} | a P; b Q
{a} {P}, {b} {Q} | a P; b Q
{a} {P}, {b} {Q}, {c} {O} | a P; b Q; c O
{P} {a}, {Q} {b} | a P; b Q
{a} {P}, {R} {b} | a P; a R b
{a} {R} {b} {P} | a R b; b P
{P} {a:stands} {a} {R} {b} | a P; a R b
{P} {a:stands} {a}{,} with {b} {R.a} | a P; b R a
{a} {a:is} {P}; {R.a} {b:is} {b} | a P; b R a
"""

# Several of a kind, and some of them.
GROUPS = """
{2a}, {m:one} {R} {b} and {n:the other} {S} {c} | m R b; n S c
{2a}, {m:one} {R} {b}, {n:the other} {S} {c} | m R b; n S c
{2a}: {m:one} {R} {b}, {n:one} {S} {b.any} | m R b; n S b
{2a}, {m:one} with {y.m} and {n:one} with {z.n} |
{2a}, {m:one} in {v.m}, {n:the other} in {w.n} |
{2a}, {m:one} {P}, {n:the other} {Q} | m P; n Q
{2a}, {m:one} on the left and {n:one} on the right of {b} | m left of b; n right of b
{2a}, {m:one} to the left and {n:one} to the right of {b} | m left of b; n right of b
{2a}; {m:the left one} {R} {b}, {n:the right one} {S} {c} | m at left; m R b; n at right; n S c
{2a}. {m:the one} on the left is {adj}, {n:the one} on the right is {adj} | m at left; n at right
{2a}. {m:the left one} is {adj}, {n:the right one} {adj} | m at left; n at right
{2a}, {m:the one} on the left with {y.m} | m at left
{2a}, {m:the upper one} {adj}, {n:the lower one} {adj} | m at top; n at bottom
{2a}: {m:the first} {R} {b}, {n:the second} {S} {c} | m R b; n S c
{2a}. {m:the first} is {R} {b}, {n:the second} {S} {b.it} | m R b; n S b
{2a}. {m:one} is {R} {b}, {n:the other one} {S} {b.it} | m R b; n S b
{2a}, {m:one} {adj} and {n:one} {adj}, {R} {b} | a R b
{2a}, {m:one} {R} {n:the other} | m R n
{2a}. {m:one of them} holds {b} |
{3a}: {m:one} {R} {b}, {n:another} {S} {c}, {o:the third} {T} {d} | m R b; n S c; o T d
{3a}; {m:the first} {R} {b}, {n*2:the other two} {S} {b.it} | m R b; n S b
{3a}. {m:one} is {R} {b}, {n*2:the others} are {S} {c} | m R b; n S c
{3a}, {m:one of them} {R} {b} | m R b
{3a}, {m:the middle one} {adj} | m at centre
{3a}, {m:the middle one} {R} {b} | m at centre; m R b
{3a}, {n*2:two} {R} {b} and {m:one} {S} {c} | n R b; m S c
{4a}: {n*2:two of them} {R} {b}, {o*2:the other two} {S} {b.it} | n R b; o S b
{5a}, {n*3:three} {R} {b}, {o*2:two} {S} {c} | n R b; o S c
{na} {na:are} {R} {b} | a R b
{na} {R} {b} | a R b
{R} {b} {na:are} {na} | a R b
{na} {R} {b}, and {c} {S} {a.it} | a R b; c S a
{na}, and {R.a} {c:stands} {c} | c R a
there are {na} {R} {b} | a R b
{b} with {na} {R.b} | a R b
{na} in a row | a as row
{na} side by side | a as row
{na} lined up {R} {b} | a R b; a as row
{na} standing in a row {R} {b} | a R b; a as row
{na:row} {R} {b} | a R b; a as row
{na:row} {R} {b} | a R b; a as row
{na:stack} {R} {b} | a R b; a as stack
{R} {b}, in a row, {na} | a R b; a as row
{na} in a vertical column | a as column
{na} one above the other | a as column
{na} stacked on top of each other | a as stack
{na} stacked up {R} {b} | a R b; a as stack
{na} in a circle | a as circle
{na} arranged in a circle around {b} | a next to b; a as circle
{4a}, one in each corner | a as corners
{4a} in the four corners of the picture | a as corners
{a} in each corner | a as corners
{a} in every corner of the picture | a as corners
{2a}, one on each side of {b} | a next to b; a as sides
{2a}, one on each side | a as sides
{a} on each side of {b} | a next to b; a as sides
{6a} in two rows of three | a as grid 2
{6a} in a 2x3 grid | a as grid 2
{6a} in three rows of two | a as grid 3
{4a} in a 2x2 grid | a as grid 2
{8a} in two rows of four {R} {b} | a R b; a as grid 2
{8a} in four rows of two | a as grid 4
{9a} in a 3 by 3 grid | a as grid 3
{9a} in three rows of three {R} {b} | a R b; a as grid 3
"""

# Nothing of places.
PLAIN = """
{a} and {b} |
{a}, {b} and {c} |
{a}, {b}, {c}, {d} |
{a} with {b} |
{a} holding {b} |
{a} {a:is} holding {b} and {c} |
{a} looking at {b} |
{a} and {b}, neither {c} nor {d} |
{a} |
{a} |
{a} made of chocolate |
{a} in the shape of a heart |
{a} pulls {b} through {x} |
{a} chasing {b} |
{na} |
{na} and {nb} |
{a} {a:is} bigger than {b} |
{a} {a:has} {b} |
{a} as tall as {b} |
{a} facing {b} |
{a} reading about {b} left over from yesterday |
{a} on the right track with {b} |
above all, {a} and {b} |
"""
