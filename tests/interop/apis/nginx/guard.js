// Admits a request to @api if it brings a good access token (RFC 9068) with the scope that $required_scope names.
// Promises and no `await`: the njs of Debian 12 (0.7.9) crashes on `await` within `try`.
const LEEWAY = 5;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
// RFC 5480 §2: what stands before the two coordinates of a key of P-256.
const SPKI_OF_P256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');

function admit(r) {
    const headers = r.rawHeadersIn.filter((header) => header[0].toLowerCase() === 'authorization');
    if (headers.length > 1) {
        return refuse(r, 400, 'error="invalid_request"');
    }
    const found = headers.length && headers[0][1].match(/^Bearer +([A-Za-z0-9._~+\/-]+=*)$/i);
    if (!found) {
        return refuse(r, 401, '');
    }
    const token = parse(found[1], r.variables);
    if (!token) {
        return refuse(r, 401, 'error="invalid_token"');
    }
    r.subrequest('/_keys').then((answer) => {
        if (answer.status !== 200) {
            r.headersOut['Retry-After'] = '5';
            return r.return(503);
        }
        return key_of(token, JSON.parse(answer.responseText)).then((key) =>
            crypto.subtle.verify(ALGORITHM, key, token.signature, token.signed)
        ).then((is_good) => pass(r, is_good && token.claims));
    }).catch(() => pass(r, null)); // whatever cannot be verified is not good
}

function pass(r, claims) {
    if (!claims) {
        return refuse(r, 401, 'error="invalid_token"');
    }
    const scope = r.variables.required_scope;
    if (`${claims.scope}`.split(' ').indexOf(scope) < 0) {
        return refuse(r, 403, `error="insufficient_scope", scope="${scope}"`);
    }
    r.variables.token_sub = claims.sub;
    r.variables.token_scope = claims.scope;
    r.internalRedirect('@api');
}

function refuse(r, status, error) {
    r.headersOut['WWW-Authenticate'] = error ? `Bearer realm="api", ${error}` : 'Bearer realm="api"';
    r.return(status);
}

// The parts of a token that says the right things; whether that is true is another question.
function parse(text, variables) {
    const parts = text.split('.');
    const header = parts.length === 3 && json(parts[0]);
    const claims = header && json(parts[1]);
    const signature = claims && bytes(parts[2]);
    const is_ours = signature && signature.length === 64 && header.alg === 'ES256' && typeof header.kid === 'string' &&
        /^(application\/)?at\+jwt$/i.test(header.typ) && header.crit === undefined && header.b64 === undefined;
    if (!is_ours || !is_for_us(claims, variables)) {
        return null;
    }
    return { header, claims, signature, signed: Buffer.from(`${parts[0]}.${parts[1]}`) };
}

function is_for_us(claims, variables) {
    const now = Date.now() / 1000;
    const texts = ['iss', 'sub', 'client_id', 'jti'].every((name) => typeof claims[name] === 'string' && claims[name]);
    const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
    const not_before = claims.nbf === undefined ? 0 : claims.nbf;
    return texts && claims.iss === variables.token_issuer && audience.indexOf(variables.token_audience) >= 0 &&
        typeof claims.iat === 'number' && typeof claims.exp === 'number' && typeof not_before === 'number' &&
        now < claims.exp + LEEWAY && now + LEEWAY >= not_before && now + 65 >= claims.iat;
}

function key_of(token, set) {
    const key = set.keys.find((key) => key.kid === token.header.kid && key.kty === 'EC' && key.crv === 'P-256');
    if (!key || (key.use || 'sig') !== 'sig' || (key.alg || 'ES256') !== 'ES256') {
        return Promise.reject(new Error('no such key'));
    }
    const spki = Buffer.concat([SPKI_OF_P256, bytes(key.x), bytes(key.y)]);
    return crypto.subtle.importKey('spki', spki, ALGORITHM, false, ['verify']);
}

// Base64url in its one form; njs takes others, too.
function bytes(text) {
    const decoded = Buffer.from(text, 'base64url');
    return decoded.toString('base64url') === text ? decoded : null;
}

function json(part) {
    const decoded = bytes(part);
    try {
        const value = JSON.parse(decoded.toString());
        return typeof value === 'object' && !Array.isArray(value) ? value : null;
    } catch (error) {
        return null;
    }
}

export default { admit };
