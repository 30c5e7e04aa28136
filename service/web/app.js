// The page: language, model, text, file.

import { startText } from "./analyze.js";
import { find } from "./elements.js";
import { startFiles } from "./files.js";
import { currentLanguage, onLanguage, setLanguage, translate } from "./i18n.js";
import { startModels } from "./models.js";

function showOtherLanguage() {
  const other = currentLanguage() === "zh" ? "en" : "zh";
  const button = find("language");
  button.textContent = other === "zh" ? "中文" : "English";
  button.lang = other === "zh" ? "zh-Hans" : "en";
}

translate();
showOtherLanguage();
onLanguage(showOtherLanguage);
find("language").addEventListener("click", () => setLanguage(currentLanguage() === "zh" ? "en" : "zh"));
startModels();
startText();
startFiles();
