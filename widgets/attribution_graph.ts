import type { RenderProps } from "@anywidget/types";

import type { Model, State } from "./parts/graph/state";
import { GraphView } from "./parts/graph/view";
import { mountStatic } from "./parts/static";

function render({ model, el }: RenderProps<State>): () => void {
  const view = new GraphView(model, el);
  return () => view.destroy();
}

function mount(): void {
  mountStatic<State>((model, root) => new GraphView(model as unknown as Model, root));
}

export default { render, mount };
