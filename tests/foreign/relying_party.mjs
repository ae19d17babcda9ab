// A relying party on openid-client, driven by test_openid_client.py: one JSON object a line in, one a line out.
import { webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'

globalThis.crypto ??= webcrypto // Node.js 18
const oidc = await import('openid-client')

const wanted = JSON.parse(process.argv[2])
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (facts) => console.log(JSON.stringify(facts))
const hear = async () => JSON.parse((await lines.next()).value)

const authentication = wanted.secret === null ? oidc.None() : oidc.ClientSecretBasic(wanted.secret)
const metadata = { id_token_signed_response_alg: 'ES256' }
const config = await oidc.discovery(new URL(wanted.issuer), wanted.client_id, metadata, authentication, {
  execute: [oidc.allowInsecureRequests], // the demo speaks http on this machine
})
const proof = wanted.dpop ? { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256')) } : {}

const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
const expected = { pkceCodeVerifier, expectedNonce: oidc.randomNonce(), expectedState: oidc.randomState() }
const parameters = {
  redirect_uri: wanted.redirect_uri,
  scope: wanted.scope,
  code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  nonce: expected.expectedNonce,
  state: expected.expectedState,
}
const address = wanted.par
  ? await oidc.buildAuthorizationUrlWithPAR(config, parameters, proof)
  : oidc.buildAuthorizationUrl(config, parameters)
say({ address })

const callback = await hear()
const tokens = await oidc.authorizationCodeGrant(config, new URL(callback.address), expected, undefined, proof)
const { sub } = tokens.claims()
const person = await oidc.fetchUserInfo(config, tokens.access_token, sub, proof)
const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, proof)
say({
  claims: tokens.claims(),
  person,
  token_type: tokens.token_type,
  renewed: { sub: renewed.claims().sub, rotated: renewed.refresh_token !== tokens.refresh_token },
  end: oidc.buildEndSessionUrl(config, {
    id_token_hint: renewed.id_token,
    post_logout_redirect_uri: wanted.signed_out,
    state: 'left',
  }),
})

await hear() // the person has signed out
try {
  await oidc.refreshTokenGrant(config, renewed.refresh_token, undefined, proof)
  say({ after: 'refreshed' })
} catch (error) {
  say({ after: error.error })
}
process.exit(0)
