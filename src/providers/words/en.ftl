### What pages say of any provider, in English. A provider's own file may say it otherwise: its text counts.
### { title } is the provider's name in its file.

step-2 = Once you allow it, everything else is set up automatically.
step-3 = You can disconnect at any time.

disconnected = { title } account disconnected. Products in your group stay, but are no longer updated.
confirm = Disconnect your { title } account?
    .advice = Products in your group will stay but stop updating. You can reconnect at any time.
confirm-yes = Yes, disconnect

## Why connecting failed

error-invalid_state = Connection not completed
    .advice = It was started in another browser or too long ago. Start again from this page.
error-attempt_expired = You ran out of time
    .advice = You have 10 minutes to confirm. Start again.
error-attempt_used = This connection was already completed
    .advice = See the result below. If the account isn't connected, start again.
error-too_many_attempts = Too many actions in a row
    .advice = Wait a minute and try again.
error-session_expired = Your session ended while connecting
    .advice = You're signed in again. Start over.
error-provider_error = { title } interrupted the connection
    .advice = Try again.
    .help = If it keeps happening
error-provider_unavailable = { title } isn't responding right now
    .advice = Wait a few minutes and try again.
error-app_rejected = You can't connect { title } right now
    .advice = This is a problem on our side and we know about it. Try again in an hour.
error-token_exchange = { title } didn't confirm the connection
    .advice = It probably took too long. Start again.
error-no_token = { title } didn't give us access
    .advice = Start again.
    .help = If it keeps happening
error-storage = We couldn't save the connection
    .advice = This is a problem on our side. Try again in a few minutes.

## Why a connection does not work

offline-token_expired = Access has expired
    .advice = Click “Reconnect” to start updating your products again.
offline-renewal_lost = Access was not renewed
    .advice = The answer from { title } did not reach us. Click “Reconnect” to get new access.
offline-unreadable = Please reconnect your account
    .advice = We can't read the saved access, which is our fault. Click “Reconnect”.
