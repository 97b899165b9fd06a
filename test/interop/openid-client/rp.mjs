// An application on npm's openid-client: it prints a line of JSON for each step and
// reads where its browser came back to. Run by TestWebApplicationsSignIn.
import * as client from 'openid-client'
import { createInterface } from 'node:readline/promises'

const [issuer, id, secret, redirect, bye] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (step, value) => console.log(JSON.stringify({ step, value }))

const config = await client.discovery(new URL(issuer), id, secret, undefined, { execute: [client.allowInsecureRequests] })
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
say('go', client.buildAuthorizationUrl(config, {
  redirect_uri: redirect, scope: 'openid email offline_access', state, nonce, max_age: '600',
  code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
}).href)
const back = new URL((await lines.next()).value)
const tokens = await client.authorizationCodeGrant(config, back, {
  pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: 600, idTokenExpected: true,
})
const claims = tokens.claims()
say('claims', claims)
say('userinfo', await client.fetchUserInfo(config, tokens.access_token, claims.sub))
const next = await client.refreshTokenGrant(config, tokens.refresh_token)
say('refreshed', await client.tokenIntrospection(config, next.access_token))
say('logout', client.buildEndSessionUrl(config, { id_token_hint: next.id_token, post_logout_redirect_uri: bye }).href)
await lines.next()
await client.refreshTokenGrant(config, next.refresh_token).then(
  () => say('after', 'refreshed'), error => say('after', error.error))
process.exit(0)
