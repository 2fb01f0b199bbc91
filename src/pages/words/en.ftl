### Pages in English. Rules: a title says what happened, an advice what to do next; buttons are called by what is
### written on them.

language = en
other-language = Русский
other-language-tag = ru

## Around every page

skip-link = Skip to content
signed-in-as = Signed in as
sign-out = Sign out
back = Back to connections

## Time

date = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }, { $time } { $zone }
just-now = just now
minutes-ago = { $count } { $count ->
    [one] minute
   *[other] minutes
} ago
hours-ago = { $count } { $count ->
    [one] hour
   *[other] hours
} ago

## The state of a connection

badge-none = Not connected
badge-working = Connected
badge-expiring = Access expires soon
badge-unverified = Check delayed
badge-broken = Reconnect needed

## The list of connections

connections = Connections
line-working = Working, checked { $time }
line-expiring = Access until { $time }. Reconnect before then.
line-unverified = Last checked { $time }. We'll check again automatically.
line-never-verified = Not checked yet. We'll check automatically.
line-broken = Products not updated since { $time }. Open to fix it.
line-broken-since-unknown = Products aren't updated. Open to fix it.
needed = Products aren't syncing: { $steps }.
needed-connect = connect { $titles }
needed-reconnect = reconnect { $titles }
and = { $first } and { $second }

## The page of a connection

connected-at = Connected on
checked-at = Last checked
broken-since = Not working since
granted = Allowed
access-until = Access until
access-ended = Access ended
reconnect = Reconnect
unverified = Check delayed
    .advice = We'll check again automatically. Click “Reconnect” only if your products stop updating.
expiring = Access expires soon
    .advice = Click “Reconnect” to keep your products up to date.
kept-working = Your current connection still works. Nothing has changed.
kept-unverified = Your current connection is still there. Nothing has changed.
error-unknown = We couldn't connect the account
    .advice = Try again.
    .help = If it keeps happening
confirm-no = Keep connected

## What was just done

done-connected = Connected: { $title } — { $name }.
done-all-set = Connected: { $title } — { $name }. Everything else is set up automatically.
done-reconnected = Reconnected: { $title } — { $name }.
done-switched = Another account is connected: { $title } — { $name } (before: { $old }).

## Support

help = { $when }, { $write } and quote this code: { $reference }.
help-without-reference = { $when }, { $write }.
help-write = contact support
help-write-somewhere = contact EvoSync support
reference = Code for support:

## When a page cannot be shown

problem-bad-request = We couldn't open this page
    .advice = The link seems incomplete or broken. Go back to your connections and try again.
problem-forbidden = Nothing was changed
    .advice = The page was out of date or open in another window. Go back to your connections and try again.
problem-not-found = Page not found
    .advice = The address may be wrong, or the page may have been removed.
problem-too-large = Nothing was changed
    .advice = Too much data was sent. Go back to your connections and try again.
problem-sign-in-failed = We couldn't sign you in
    .advice = Sign-in wasn't confirmed or took too long. Try again.
problem-unavailable = The service is temporarily unavailable
    .advice = We know about it. Wait a minute and try again.
problem-failed = Something broke on our side
    .advice = We know about it. Try again.
    .help = If it keeps happening
sign-in = Sign in
retry = Try again

## Signing out

signed-out = You've signed out of EvoSync
    .advice = If you share this device, close the browser. Sign in again to manage connections.
session-ended = Your session has ended
    .advice = Sign in and try again.
sign-out-there = If other people use this device, { $link }.
sign-out-there-link = sign out on the sign-in page too
