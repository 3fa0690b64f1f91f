import java.nio.file.Path;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** One Elasticsearch node from jars on the class path, until the process is told to end: Launch HOME CONFIG. */
class Launch {
  public static void main(String[] args) throws Exception {
    String home = Path.of(args[0]).toRealPath().toString();
    System.setProperty("es.path.home", home);
    LogConfigurator.registerErrorListener();
    var settings = Settings.builder().put("path.home", home).build();
    var environment =
        InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), Path.of(args[1]), () -> "local");
    LogConfigurator.setNodeName("local");
    LogConfigurator.configure(environment, true);
    var modules = PluginsLoader.loadModulesBundles(environment.modulesDir(), false);
    var plugins = PluginsLoader.loadPluginsBundles(environment.pluginsDir(), false);
    var node = new Node(environment, PluginsLoader.createPluginsLoader(modules, plugins, Map.of(), false));
    node.start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
    Thread.currentThread().join();
  }

  private static void close(Node node) {
    try {
      node.prepareForClose();
      node.close();
    } catch (java.io.IOException error) {
      error.printStackTrace();
    }
  }
}
