import "./main.css";
import { render } from "preact";

render(<p>nodevitals</p>, document.getElementById("root")!);
