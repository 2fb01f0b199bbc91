### VK in English.

title = VK
account = Account
account-id = VK user ID
purpose = Connect an account to show your Evotor products in your VK group
invitation = Connect your VK account so that your Evotor catalogue is synced to your VK group automatically.
step-1 = You'll go to VK's page to confirm access to products and communities. Sign in with the account that manages your group.
assurance = We never see or store your VK password.
connect = Connect VK
disconnect = Disconnect VK account

## What is granted

scope-market = products
scope-groups = communities
scope-photos = photos
scope-wall = wall

## Why connecting failed

error-access_denied = Access was not allowed
    .advice = You cancelled on VK's page. If you change your mind, start again and allow access.
error-provider_error = VK interrupted the connection
    .advice = Try again.
    .help = If it keeps happening
error-profile = We couldn't tell whose VK account this is
    .advice = Try again in a few minutes.
error-account_unavailable = The VK account you chose is blocked or deleted
    .advice = Restore it on vk.com or connect another account.
error-action_required = VK wants you to confirm the account is yours
    .advice = Open vk.com or the app, complete the check and start again.
error-permission_missing = Some permissions are missing
    .advice = EvoSync needs access to Products and Communities. Start again and leave both switched on.
    .help = If both are on and this keeps happening

## Why a connection does not work

offline-token_rejected = Access has been withdrawn
    .advice = This happens after a password change, or when EvoSync is removed in VK's settings. Click “Reconnect”.
offline-account_unavailable = This VK account is blocked or deleted
    .advice = Restore it on vk.com and click “Reconnect”, or connect another account that manages your group.
offline-action_required = VK wants you to confirm the account is yours
    .advice = Open vk.com or the app, complete the check, then click “Reconnect” here.
offline-permission_missing = Some permissions are missing
    .advice = Click “Reconnect” and leave Products and Communities switched on.
    .help = If both are on and this keeps happening
offline-wrong_token_kind = A personal VK account is needed
    .advice = Click “Reconnect” and sign in with the personal account that manages your group.
offline-renewal_lost = Access was not renewed
    .advice = VK's answer did not reach us. Click “Reconnect” to get new access.
