package notes;

import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @GetMapping("/notes")
    Map<String, String> read(@AuthenticationPrincipal Jwt token) {
        return Map.of("notes_of", token.getSubject());
    }

    @PostMapping("/notes")
    Map<String, String> write(@AuthenticationPrincipal Jwt token) {
        return Map.of("notes_of", token.getSubject());
    }
}
