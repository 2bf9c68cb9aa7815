import { defineConfig } from 'vite';

export default defineConfig({
  base: './', // as static files, the page may lie in any folder
  build: { target: 'es2022', assetsInlineLimit: 0, rollupOptions: { external: ['ws'] } },
  worker: { format: 'es', rollupOptions: { external: ['ws'] } },
});
