import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/**
 * A service that tells what reached it, a line for the request and one for each header: Echo PORT
 * /validate is a forward-auth server (whoever bears a token is it), /stream?SECONDS sends a line every 200 ms.
 */
public class Echo {
    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", Echo::tell);
        server.createContext("/validate", Echo::validate);
        server.createContext("/stream", Echo::stream);
        server.start();
    }

    private static void tell(HttpExchange exchange) throws IOException {
        exchange.getRequestBody().readAllBytes();
        StringBuilder text = new StringBuilder(exchange.getRequestMethod() + " " + exchange.getRequestURI() + "\n");
        exchange.getRequestHeaders().forEach((name, values) -> values.forEach(value -> text.append(name).append(": ").append(value).append("\n")));
        exchange.getResponseHeaders().set("X-Request-ID", "made-by-echo");
        answer(exchange, 200, text.toString());
    }

    private static void validate(HttpExchange exchange) throws IOException {
        String bearer = exchange.getRequestHeaders().getFirst("Authorization");
        Headers answer = exchange.getResponseHeaders();
        for (String name : new String[] {"X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-For", "X-Forwarded-Proto"}) {
            answer.set("X-Saw-" + name.substring(12), String.valueOf(exchange.getRequestHeaders().getFirst(name)));
        }
        if (bearer == null) {
            answer(exchange, 401, "who are you?\n");
        } else {
            answer.set("X-User-ID", bearer.replace("Bearer ", ""));
            answer(exchange, 200, "");
        }
    }

    private static void stream(HttpExchange exchange) throws IOException {
        long end = System.currentTimeMillis() + 1000 * Long.parseLong(exchange.getRequestURI().getQuery());
        exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        try (OutputStream out = exchange.getResponseBody()) {
            while (System.currentTimeMillis() < end) {
                out.write("data: still here\n\n".getBytes(StandardCharsets.UTF_8));
                out.flush();
                Thread.sleep(200);
            }
            out.write("data: end\n\n".getBytes(StandardCharsets.UTF_8));
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }
}
