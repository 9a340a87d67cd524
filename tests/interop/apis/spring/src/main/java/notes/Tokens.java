package notes;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.JWKMatcher;
import com.nimbusds.jose.jwk.JWKSelector;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.jwk.source.RateLimitReachedException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Profile;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

@Configuration
@Profile("!defaults")
class Tokens {
    private static final JWKSelector ANY = new JWKSelector(new JWKMatcher.Builder().build());

    @Bean
    JwtDecoder decoder(@Value("${issuer}") String issuer, @Value("${audience}") String audience) throws Exception {
        // A key set is believed for five minutes, and fetched twice in thirty seconds at most, however many names of keys
        // come that nobody knows.
        JWKSource<SecurityContext> fetched = JWKSourceBuilder.<SecurityContext>create(URI.create(issuer + "/jwks").toURL())
            .cache(300_000, 15_000)
            .rateLimited(30_000)
            .build();
        JWKSource<SecurityContext> keys = (selector, context) -> {
            try {
                return fetched.get(selector, context);
            } catch (RateLimitReachedException tooSoon) {
                fetched.get(ANY, context); // throws if there are no keys: then it is an outage
                return List.of(); // a name that nobody knows is none
            }
        };
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(Set.of(JWSAlgorithm.ES256, JWSAlgorithm.RS256), keys));
        // RFC 9068: neither an ID token nor a logout token.
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        processor.setJWTClaimsSetVerifier((claims, context) -> { }); // below
        var decoder = new NimbusJwtDecoder(processor);
        decoder.setJwtValidator(JwtValidators.createAtJwtValidator()
            .issuer(issuer)
            .audience(audience)
            .validators(rules -> {
                rules.put("client_id", new JwtClaimValidator<String>("client_id", id -> id != null && !id.isEmpty()));
                rules.put("iat", new JwtClaimValidator<Instant>("iat", begin -> begin != null));
                rules.put("exp", new DelegatingOAuth2TokenValidator<>( // and "nbf"
                    new JwtClaimValidator<Instant>("exp", end -> end != null),
                    new JwtTimestampValidator(Duration.ofSeconds(5)))); // the default is a minute, in both
            })
            .build());
        return decoder;
    }
}
