### Evotor in English.

title = Evotor
account = Shops
purpose = Connect an account so your shops' products appear in your VK group
invitation = Connect your Evotor account so that EvoSync can read the product catalogue of your shops.
step-1 = You'll go to Evotor's page to install the EvoSync application and allow access to shops and products.
assurance = We never see or store your Evotor password.
connect = Connect Evotor
disconnect = Disconnect Evotor account

shops = { $count } { $count ->
    [one] shop
   *[other] shops
}
shops-more = More than { $count } { $count ->
    [one] shop
   *[other] shops
}
shops-named = { $shops }: { $names }
shops-none = No shops yet

## Why connecting failed

error-access_denied = Access was not allowed
    .advice = You cancelled on Evotor's page. If you change your mind, start again and allow access.
error-profile = We couldn't tell which shops the Evotor account has
    .advice = Try again in a few minutes.
error-account_unavailable = The Evotor account you chose is unavailable
    .advice = Look at it in your Evotor account pages or connect another account.
error-action_required = Evotor wants you to confirm something
    .advice = Open your Evotor account pages, do what they ask for and start again.
error-permission_missing = Evotor gives no access to the shops
    .advice = Open the EvoSync application in your Evotor account pages, allow access to shops and products and start again.
    .help = If access is allowed and this keeps happening

## Why a connection does not work

offline-token_rejected = Access to the shops has been withdrawn
    .advice = This happens when the EvoSync application is removed in your Evotor account pages. Click “Reconnect”.
offline-account_unavailable = The Evotor account is unavailable
    .advice = Look at it in your Evotor account pages and click “Reconnect”, or connect another account.
offline-action_required = Evotor wants you to confirm something
    .advice = Open your Evotor account pages, do what they ask for, then click “Reconnect” here.
offline-permission_missing = Evotor gives no access to the shops
    .advice = Open the EvoSync application in your Evotor account pages, allow access to shops and products and click “Reconnect”.
    .help = If access is allowed and this keeps happening
offline-wrong_token_kind = The shop owner's account is needed
    .advice = Click “Reconnect” and sign in with the account of the shops' owner.
