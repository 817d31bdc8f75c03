// An identity provider for the end-to-end tests: the real device flow, refresh token rotation and
// introspection, on one loopback port.
//
// It knows accounts, not passwords, and keeps everything in memory. Settings come as one JSON
// argument; the one line on standard output says that it listens and where. Paths below /test are
// the hands of the test: they expire or revoke what has been issued and count what was asked.

import http from 'node:http';
import { Provider } from 'oidc-provider';

// Standard output belongs to the one line; whatever the library has to say goes to the other.
console.log = console.info = console.warn = console.error;

const settings = {
  port: 0,
  accounts: {}, // subject -> mail address
  accessTokenSeconds: 3600,
  introspection: { id: 'mail-server', secret: 'introspects' },
  ...JSON.parse(process.argv[2] ?? '{}'),
};

const counts = { device: 0, refresh: 0, refreshFailed: 0, introspection: 0 };
const tables = new Map();

// The storage that oidc-provider asks for, in one map per model, so that tests can reach into it.
class Memory {
  constructor(model) {
    this.model = model;
    if (!tables.has(model)) tables.set(model, new Map());
    this.rows = tables.get(model);
  }

  async upsert(id, payload, expiresIn) {
    const until = expiresIn ? Date.now() + expiresIn * 1000 : Infinity;
    this.rows.set(id, { payload: { ...payload }, until });
  }

  async find(id) {
    const row = this.rows.get(id);
    return row && row.until > Date.now() ? row.payload : undefined;
  }

  async findByUid(uid) {
    return this.where((payload) => payload.uid === uid);
  }

  async findByUserCode(userCode) {
    return this.where((payload) => payload.userCode === userCode);
  }

  async consume(id) {
    this.rows.get(id).payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.rows.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, row] of this.rows) if (row.payload.grantId === grantId) this.rows.delete(id);
  }

  where(matches) {
    for (const row of this.rows.values()) if (row.until > Date.now() && matches(row.payload)) return row.payload;
    return undefined;
  }
}

function provider(issuer) {
  const made = new Provider(issuer, {
    adapter: Memory,
    clients: [
      {
        client_id: 'portreeve',
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: settings.introspection.id,
        client_secret: settings.introspection.secret,
        grant_types: [],
        redirect_uris: [],
        response_types: [],
      },
    ],
    claims: { openid: ['sub'], email: ['email'], profile: ['preferred_username'] },
    conformIdTokenClaims: false, // claims in the ID token itself, as Entra gives them
    cookies: { keys: ['test'] },
    extraTokenClaims: (_context, token) => ({ username: settings.accounts[token.accountId] }),
    features: {
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: { enabled: false },
      revocation: { enabled: true },
      userinfo: { enabled: true },
    },
    findAccount: (_context, subject) => {
      const address = settings.accounts[subject];
      if (!address) return undefined;
      return {
        accountId: subject,
        claims: () => ({ sub: subject, email: address, preferred_username: address }),
      };
    },
    issueRefreshToken: async () => true,
    pkce: { required: () => false },
    rotateRefreshToken: true,
    scopes: ['openid', 'offline_access', 'email', 'profile'],
    ttl: {
      AccessToken: settings.accessTokenSeconds,
      DeviceCode: 600,
      Grant: 86400,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: 86400,
      Session: 86400,
    },
  });
  // The shortest interval, so that no test waits the five seconds that RFC 8628 takes without one.
  made.use(async (context, next) => {
    await next();
    if (context.oidc?.route === 'device_authorization' && context.body?.device_code) context.body.interval = 1;
  });
  made.on('grant.success', (context) => {
    counts[context.oidc.params.grant_type === 'refresh_token' ? 'refresh' : 'device'] += 1;
  });
  made.on('grant.error', (context) => {
    if (context.oidc.params?.grant_type === 'refresh_token') counts.refreshFailed += 1;
  });
  made.on('server_error', (_context, error) => console.error(error));
  return made;
}

// What a test may do to the provider behind the back of its clients.
const hands = {
  // Access tokens end at once, the sign-in stays.
  'expire-access-tokens': () => tables.get('AccessToken')?.clear(),
  // The sign-in itself is gone, as after a password reset or a removed session.
  revoke: () => ['AccessToken', 'RefreshToken', 'Grant'].forEach((model) => tables.get(model)?.clear()),
  counts: () => {},
};

const server = http.createServer();
server.listen(settings.port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const handle = provider(issuer).callback();
  server.on('request', (request, response) => {
    const hand = request.url.startsWith('/test/') ? hands[request.url.slice('/test/'.length)] : undefined;
    if (hand) {
      hand();
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(counts));
      return;
    }
    if (request.url === '/token/introspection') counts.introspection += 1;
    handle(request, response);
  });
  process.stdout.write(`${JSON.stringify({ issuer })}\n`);
});

// The provider ends with the test that started it, however that test ends.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
