package notes;

import static org.springframework.security.config.http.SessionCreationPolicy.STATELESS;

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.HttpMethod;
import org.springframework.security.authentication.AuthenticationServiceException;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.ObjectPostProcessor;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.server.resource.web.BearerTokenAuthenticationEntryPoint;
import org.springframework.security.oauth2.server.resource.web.authentication.BearerTokenAuthenticationFilter;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
class Security {
    @Bean
    SecurityFilterChain chain(HttpSecurity http) throws Exception {
        var refuse = new BearerTokenAuthenticationEntryPoint();
        var filter = new ObjectPostProcessor<BearerTokenAuthenticationFilter>() {
            @Override
            public <F extends BearerTokenAuthenticationFilter> F postProcess(F filter) {
                // Keys that cannot be had are no fault of the caller, and no reason for a 500.
                filter.setAuthenticationFailureHandler((request, response, failure) -> {
                    if (failure instanceof AuthenticationServiceException) {
                        response.setHeader("Retry-After", "5");
                        response.sendError(503);
                    } else {
                        refuse.commence(request, response, failure);
                    }
                });
                return filter;
            }
        };
        return http
            .authorizeHttpRequests(requests -> requests
                .requestMatchers(HttpMethod.GET, "/notes").hasAuthority("SCOPE_notes:read")
                .requestMatchers(HttpMethod.POST, "/notes").hasAuthority("SCOPE_notes:write")
                .requestMatchers("/error").permitAll()
                .anyRequest().denyAll())
            .oauth2ResourceServer(server -> server.jwt(Customizer.withDefaults()).withObjectPostProcessor(filter))
            .csrf(csrf -> csrf.disable()) // no cookie means anything here
            .sessionManagement(sessions -> sessions.sessionCreationPolicy(STATELESS))
            .build();
    }
}
